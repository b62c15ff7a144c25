"""The model as an MLflow model folder, so that anything that reads MLflow models reads ours."""

from __future__ import annotations

import logging
import os
import platform
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training import packages, skops_file

if TYPE_CHECKING:
    import pandas as pd

    from recipes.recipe import Array, Estimator

_MODULES: Final = ("mlflow", "numpy", "pandas", "sklearn", "skops")


def write(folder: Path, estimator: Estimator, features: pd.DataFrame, predictions: Array) -> None:
    """Write the folder with signature and input example, of rows that lack no value: MLflow would write NaN."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    trusted = skops_file.untrusted(estimator)
    whole = features.dropna().head(3)
    with warnings.catch_warnings():
        # MLflow warns of its own type hints as it is imported, and of dependencies that are explicit here.
        warnings.simplefilter("ignore")
        import mlflow.sklearn
        from mlflow.models import infer_signature

        mlflow.sklearn.save_model(
            estimator,
            folder,
            signature=infer_signature(features, predictions),
            input_example=None if whole.empty else whole,
            conda_env=_environment(trusted),
            serialization_format="skops",
            skops_trusted_types=trusted,
        )


def _environment(types: Iterable[str]) -> dict[str, object]:
    pinned = list(packages.pinned({*_MODULES, *packages.modules(types)}))
    python = f"python={platform.python_version()}"
    return {"name": "model", "channels": ["conda-forge"], "dependencies": [python, "pip", {"pip": pinned}]}
