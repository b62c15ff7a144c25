"""The files that a job leaves behind, by name: whoever reads a job's folder reads it through these.

`result.json` is written last, so a folder that has it is complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MODEL: Final = "model"
"""MLflow model folder, with signature and input example."""
PORTABLE: Final = "portable"
"""The form that serves: `form.json` with `weights.json`, `model.onnx` or `model.skops`."""
METRICS: Final = "metrics.json"
"""Metric name → number, the primary metric first."""
PREDICTIONS: Final = "predictions.parquet"
"""The holdout: every column of the recipe's schema, and `prediction`."""
PREDICTION: Final = "prediction"
"""Name of the column of predictions."""
PROFILE: Final = "profile.json"
"""What the rows of the dataset version look like (`recipes.profile`): later batches are compared with it."""
PLOTS: Final = "plots"
"""`residuals.png` and `predicted.png`."""
RESULT: Final = "result.json"
"""What was done, with what, and how long it took."""


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON object to a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
