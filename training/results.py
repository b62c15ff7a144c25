"""Write what a fit gave, in the order that makes `result.json` the proof of a complete folder."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa

from recipes.profile import Profile
from recipes.recipe import Recipe
from recipes.serving_schema import serving_schema
from scoring_service.schema import Schema
from training import mlflow_model, outputs, plots, portable
from training.fit import Fit

if TYPE_CHECKING:
    import pandas as pd

_REPORTED: Final = ("numpy", "pandas", "scikit-learn")


def begin(folder: Path) -> None:
    """Make the folder, and take back what says that it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / outputs.RESULT).unlink(missing_ok=True)


def write(folder: Path, recipe: Recipe, fitted: Fit, metrics: Mapping[str, float]) -> portable.Portable:
    """Write everything but `profile.json` and `result.json`; returns the form that serves."""
    features = fitted.holdout[list(recipe.features)]
    declared = msgspec.convert(serving_schema(recipe), Schema).features
    form = portable.write(folder / outputs.PORTABLE, fitted.estimator, features, fitted.predictions, declared)
    shutil.rmtree(folder / outputs.MODEL, ignore_errors=True)
    mlflow_model.write(folder / outputs.MODEL, fitted.estimator, features, fitted.predictions)
    outputs.write_json(folder / outputs.METRICS, metrics)
    predicted = fitted.holdout.assign(**{outputs.PREDICTION: fitted.predictions})
    predicted.to_parquet(folder / outputs.PREDICTIONS, index=False)
    actual = fitted.holdout[recipe.target].to_numpy(dtype="float64")
    plots.write(folder / outputs.PLOTS, recipe.target, actual, fitted.predictions)
    return form


def write_profile(folder: Path, recipe: Recipe, rows: pd.DataFrame) -> None:
    """Write what all rows of the dataset version look like, those of the holdout too."""
    table = pa.RecordBatch.from_pandas(rows, preserve_index=False)
    outputs.write_json(folder / outputs.PROFILE, Profile.of(recipe, table).to_json())


def finish(folder: Path, recipe: Recipe, fitted: Fit, form: portable.Portable, facts: Mapping[str, object]) -> None:
    """Write `result.json`."""
    result = {
        **facts,
        "rows": fitted.rows,
        "rows_train": fitted.rows_train,
        "rows_holdout": len(fitted.holdout),
        "features": list(recipe.features),
        "nullable": list(recipe.nullable),
        "target": recipe.target,
        "form": form.form,
        "tolerance": form.tolerance.to_json(),
        "requirements": list(form.requirements),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _REPORTED}},
    }
    outputs.write_json(folder / outputs.RESULT, result)
