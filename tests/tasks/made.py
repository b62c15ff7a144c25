"""What a training job leaves behind, made in a moment: a linear model over the diabetes features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from recipes import catalog
from recipes.profile import Profile
from training import outputs

RECIPE = "diabetes"


def make_outputs(folder: Path, shift: float = 0.0, rows: int = 60) -> Path:
    """Outputs of a job whose model is the least-squares fit moved by `shift`: 0 is good, large is bad."""
    recipe = catalog.load(RECIPE)
    frame, features = recipe.seed_data(), list(recipe.features)
    design = np.column_stack([frame[features].to_numpy(), np.ones(len(frame))])
    solution = np.linalg.lstsq(design, frame[recipe.target].to_numpy(), rcond=None)[0]
    coefficients, intercept = solution[:-1], float(solution[-1]) + shift
    portable = folder / outputs.PORTABLE
    portable.mkdir(parents=True)
    (portable / "form.json").write_text(json.dumps({"form": "weights"}))
    weights = {"coefficients": coefficients.tolist(), "intercept": intercept}
    (portable / "weights.json").write_text(json.dumps(weights))
    holdout = frame.tail(rows).reset_index(drop=True)
    holdout[outputs.PREDICTION] = holdout[features].to_numpy() @ coefficients + intercept
    holdout.to_parquet(folder / outputs.PREDICTIONS)
    errors = holdout[recipe.target] - holdout[outputs.PREDICTION]
    (folder / outputs.METRICS).write_text(json.dumps({"mse": float((errors**2).mean())}))
    profile = Profile.of(recipe, pa.RecordBatch.from_pandas(frame, preserve_index=False))
    (folder / outputs.PROFILE).write_text(json.dumps(profile.to_json()))
    result = {"recipe": RECIPE, "features": features, "requirements": ["numpy==0"], "dataset_version": 1}
    result |= {"parameters": {"alpha": 0.4}}
    (folder / outputs.RESULT).write_text(json.dumps(result))
    (folder / outputs.PLOTS).mkdir()
    return folder


def read_predictions(folder: Path) -> pd.DataFrame:
    """The holdout of made outputs."""
    return pd.read_parquet(folder / outputs.PREDICTIONS)


def read_profile(folder: Path) -> Profile:
    """The profile of made outputs."""
    return Profile.from_json(json.loads((folder / outputs.PROFILE).read_bytes()))
