"""scikit-learn's diabetes data and ridge regression: the default recipe, and the example to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from recipes.recipe import Metric, Recipe

if TYPE_CHECKING:
    from recipes.recipe import Array

FEATURES: Final = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
TARGET: Final = "Y"


def squared_error(y_true: Array, y_pred: Array) -> Array:
    """The mean squared error, row by row."""
    return np.square(y_true - y_pred)


def seed_data() -> pd.DataFrame:
    """All 442 rows, in the data set's own order."""
    frame: pd.DataFrame = load_diabetes(as_frame=True).frame
    return frame.rename(columns={"target": TARGET}).astype("float64")


recipe = Recipe(
    name="diabetes",
    schema=DataFrameSchema(
        {
            **{name: Column(float, Check.in_range(-0.3, 0.3)) for name in FEATURES},
            TARGET: Column(float, Check.in_range(0, 1000)),
        }
    ),
    target=TARGET,
    estimator=Ridge,
    parameters={"alpha": 0.4},
    metrics=(
        Metric("mse", mean_squared_error),
        Metric("mae", mean_absolute_error),
        Metric("r2", r2_score, lower_is_better=False),
    ),
    loss=squared_error,
    seed_data=seed_data,
)
