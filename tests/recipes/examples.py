"""A small recipe with every kind of column, for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema
from sklearn.linear_model import LinearRegression

from recipes.recipe import Estimator, Gate, Metric, Parameter, Quality, Recipe

if TYPE_CHECKING:
    from recipes.recipe import Array


def mean_error(y_true: Array, y_pred: Array) -> float:
    return float(np.mean(np.abs(y_true - y_pred)))


def error(y_true: Array, y_pred: Array) -> Array:
    return np.abs(y_true - y_pred)


def rows(count: int = 40) -> pd.DataFrame:
    numbers = np.random.default_rng(7).uniform(0, 1, (count, 2))
    return pd.DataFrame({"a": numbers[:, 0], "b": numbers[:, 1], "y": numbers @ [2.0, -1.0] + 0.5})


SCHEMA = DataFrameSchema(
    {"a": Column(float, [Check.ge(0), Check.le(1)]), "b": Column(float, Check.in_range(0, 1)), "y": Column(float)}
)


def recipe(
    *,
    name: str = "example",
    schema: DataFrameSchema = SCHEMA,
    target: str = "y",
    estimator: Callable[..., Estimator] = LinearRegression,
    parameters: Mapping[str, Parameter] | None = None,
    metrics: tuple[Metric, ...] = (Metric("mae", mean_error),),
    loss: Callable[[Array, Array], Array] = error,
    entity_key: tuple[str, ...] = (),
    identifiers: tuple[str, ...] = (),
    gate: Gate | None = None,
    quality: Quality | None = None,
    holdout: float = 0.3,
) -> Recipe:
    return Recipe(
        name=name,
        schema=schema,
        target=target,
        estimator=estimator,
        parameters=parameters or {},
        metrics=metrics,
        loss=loss,
        seed_data=rows,
        entity_key=entity_key,
        identifiers=identifiers,
        gate=gate or Gate(),
        quality=quality or Quality(),
        holdout=holdout,
    )
