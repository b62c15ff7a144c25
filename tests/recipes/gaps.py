"""A recipe whose rows may lack numbers: yields of fields."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline

from recipes.recipe import Metric, Recipe
from tests.recipes import examples

SCHEMA = DataFrameSchema(
    {
        "rain": Column(float, Check.in_range(0, 9), nullable=True),
        "sun": Column(float, Check.in_range(0, 99)),
        "lime": Column(float, Check.in_range(-99, 99), nullable=True),
        "yield": Column(float),
    }
)


def rows(count: int = 200, seed: int = 5) -> pd.DataFrame:
    """Rows of a linear world, of which some lack the one or the other value."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({name: random.uniform(0, 9, count) for name in ("rain", "sun", "lime")})
    world = frame.assign(**{"yield": 2 * frame["rain"] + frame["sun"] - frame["lime"] + random.normal(0, 0.1, count)})
    for name in ("rain", "lime"):
        world.loc[random.random(count) < 0.2, name] = np.nan
    return world


def imputed(alpha: float = 0.1) -> Pipeline:
    """What the recipe learns with."""
    return make_pipeline(SimpleImputer(add_indicator=True), Ridge(alpha))


recipe = Recipe(
    name="gaps",
    schema=SCHEMA,
    target="yield",
    estimator=imputed,
    parameters={"alpha": 0.1},
    metrics=(Metric("mae", examples.mean_error),),
    loss=examples.error,
    seed_data=rows,
)
