"""The form of a model that serves: never a pickle, and proven on the holdout before it is accepted.

Linear models become their weights, everything else a skops file. Each form is read back from disk and must reproduce
the estimator's holdout predictions, else the next one is tried.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from training import linear, skops_file
from training.errors import TrainingError
from training.outputs import write_json

if TYPE_CHECKING:
    from recipes.recipe import Array, Estimator

WEIGHTS_TOLERANCE: Final = 1e-9
"""Largest difference of weights from the estimator, relative to the prediction."""


@dataclass(frozen=True)
class Portable:
    """What was written: its form, and the exact distributions (`name==version`) that the form needs to predict."""

    form: Literal["weights", "skops"]
    requirements: tuple[str, ...]


def write(folder: Path, estimator: Estimator, features: pd.DataFrame, expected: Array) -> Portable:
    """Write the first form that reproduces `expected`, the predictions for `features`, into `folder`.

    Raises:
        TrainingError: No form does; the message tells why for each.
    """
    reasons = []
    for attempt in (_write_weights, _write_skops):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        found = attempt(folder, estimator, features, expected)
        if isinstance(found, Portable):
            return found
        reasons.append(found)
    raise TrainingError(f"{type(estimator).__name__} has no form that can serve: {'; '.join(reasons)}")


def _write_weights(folder: Path, estimator: Estimator, features: pd.DataFrame, expected: Array) -> Portable | str:
    weights = linear.weights_of(estimator)
    if weights is None:
        return "weights: not a linear model"
    file = folder / "weights.json"
    write_json(file, {"coefficients": weights.coefficients.tolist(), "intercept": weights.intercept})
    read = json.loads(file.read_text(encoding="utf-8"))
    found = features.to_numpy(dtype="float64") @ np.array(read["coefficients"]) + read["intercept"]
    if not np.allclose(found, expected, rtol=WEIGHTS_TOLERANCE, atol=1e-12):
        return f"weights: predictions differ by up to {np.abs(found - expected).max()}"
    write_json(folder / "form.json", {"form": "weights"})
    return Portable("weights", _pinned({"numpy"}))


def _write_skops(folder: Path, estimator: Estimator, features: pd.DataFrame, expected: Array) -> Portable | str:
    file = folder / "model.skops"
    try:
        trusted = skops_file.dump(estimator, file)
        read: Any = skops_file.load(file, trusted)
    # Whatever a type that skops cannot restore raises means only that this form does not fit.
    except Exception as error:
        return f"skops: {type(error).__name__}: {error}"
    modules = {name.partition(".")[0] for name in trusted}
    ours = sorted(module for module in modules if module not in packages_distributions())
    if ours:
        return f"skops: the type comes from {', '.join(ours)}, which no distribution brings into the image"
    for kind, rows in (("array", features.to_numpy(dtype="float64")), ("frame", features)):
        if _reproduces(read, rows, expected):
            write_json(folder / "form.json", {"form": "skops", "trusted": trusted, "input": kind})
            extra = {"pandas"} if kind == "frame" else set()
            return Portable("skops", _pinned({"numpy", "sklearn", "skops", *modules, *extra}))
    return "skops: the restored estimator predicts something else"


def _reproduces(estimator: Any, rows: Array | pd.DataFrame, expected: Array) -> bool:  # noqa: ANN401  # any estimator
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = np.asarray(estimator.predict(rows), dtype="float64").reshape(-1)
    except (TypeError, ValueError, AttributeError, IndexError, KeyError):
        return False
    return np.array_equal(found, expected)


def _pinned(modules: set[str]) -> tuple[str, ...]:
    found = packages_distributions()
    installed = {found[module][0] for module in modules if module in found and module not in sys.stdlib_module_names}
    return tuple(f"{name}=={version(name)}" for name in sorted(installed))
