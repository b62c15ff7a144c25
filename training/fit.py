"""Fit the estimator on the training part and predict the holdout."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recipes.recipe import Estimator, Parameter, Recipe
from training.errors import TrainingError
from training.split import in_holdout, latest

if TYPE_CHECKING:
    from recipes.recipe import Array


@dataclass(frozen=True)
class Fit:
    """A fitted estimator with the rows that it did not see; `predictions` has one number per holdout row."""

    estimator: Estimator
    holdout: pd.DataFrame
    predictions: Array
    rows: int
    rows_train: int

    @property
    def superseded(self) -> int:
        """How many rows have a later one of the same entity."""
        return self.rows - self.rows_train - len(self.holdout)


def fit(recipe: Recipe, rows: pd.DataFrame, parameters: Mapping[str, Parameter]) -> Fit:
    """Keep the latest row of each entity, split, fit, predict.

    Raises:
        TrainingError: Features lack values, there are fewer than two rows on a side of the split, or the predictions
            are no finite numbers.
    """
    entities = latest(recipe, rows)
    _require_whole(recipe, entities)
    mask = in_holdout(recipe, entities)
    train, holdout = entities[~mask].reset_index(drop=True), entities[mask].reset_index(drop=True)
    if min(len(train), len(holdout)) < 2:
        raise TrainingError(
            f"recipe {recipe.name!r}: {len(entities)} distinct entities give {len(train)} rows to train on and"
            f" {len(holdout)} in the holdout; each needs 2: let more rows arrive"
        )
    # Estimators with `random_state=None` draw from the global generators.
    random.seed(0)
    np.random.seed(0)
    estimator = recipe.estimator(**parameters)
    with _told(recipe, f"`fit` of {type(estimator).__name__}"):
        estimator.fit(train[list(recipe.features)], train[recipe.target])
    return Fit(estimator, holdout, predict(recipe, estimator, holdout), len(rows), len(train))


@contextmanager
def _told(recipe: Recipe, what: str) -> Iterator[None]:
    """Name the part of a recipe that raises, which is somebody else's code."""
    try:
        yield
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise TrainingError(f"recipe {recipe.name!r}: {what} failed: {told}; see recipes/{recipe.name}") from error


def _require_whole(recipe: Recipe, rows: pd.DataFrame) -> None:
    """Requests can lack numbers only, so what other rows are predicted could not be tested, nor asked for."""
    nullable = recipe.nullable
    lacking = rows[[name for name in recipe.features if name not in nullable]].isna().sum()
    if told := {str(name): int(count) for name, count in lacking.items() if count}:
        raise TrainingError(
            f"recipe {recipe.name!r}: of {len(rows)} entities, so many lack a value: {told}; in requests only a"
            " `float` with `nullable=True` may: let the schema say so, or fill the values before they land"
        )


def predict(recipe: Recipe, estimator: Estimator, rows: pd.DataFrame) -> Array:
    """One finite float64 per row; raises `TrainingError`."""
    with _told(recipe, f"`predict` of {type(estimator).__name__}"):
        found = np.asarray(estimator.predict(rows[list(recipe.features)]), dtype="float64")
    predictions = found.reshape(-1)
    if predictions.shape != (len(rows),):
        raise TrainingError(f"recipe {recipe.name!r}: predict gave shape {found.shape} for {len(rows)} rows")
    if not np.isfinite(predictions).all():
        raise TrainingError(f"recipe {recipe.name!r}: predict gave NaN or infinity; look at the parameters")
    return predictions


def metrics(recipe: Recipe, fitted: Fit) -> dict[str, float]:
    """Every metric of the recipe on the holdout, the primary one first; raises `TrainingError`."""
    actual = fitted.holdout[recipe.target].to_numpy(dtype="float64")
    found = {}
    for metric in recipe.metrics:
        with _told(recipe, f"metric {metric.name!r}"):
            found[metric.name] = float(metric.function(actual, fitted.predictions))
    if odd := [name for name, value in found.items() if not math.isfinite(value)]:
        raise TrainingError(
            f"recipe {recipe.name!r}: the metrics {odd} give NaN or infinity on the {len(actual)} rows of the"
            " holdout; look at their functions and at the parameters"
        )
    _require_loss_per_row(recipe, actual, fitted.predictions)
    return found


def _require_loss_per_row(recipe: Recipe, actual: Array, predictions: Array) -> None:
    """The gate will need the loss when there are two models, which is too late to learn that it is none."""
    with _told(recipe, "`loss`"):
        losses = np.asarray(recipe.loss(actual, predictions), dtype="float64")
    if losses.shape != actual.shape or not np.isfinite(losses).all():
        raise TrainingError(
            f"recipe {recipe.name!r}: `loss` gave shape {losses.shape} for {len(actual)} rows, or NaN or infinity;"
            " it must give one number per row, not their mean"
        )
