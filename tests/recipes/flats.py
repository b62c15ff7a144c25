"""A recipe whose rows are not only numbers: rents of flats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from recipes.recipe import Metric, Recipe
from tests.recipes import examples

SCHEMA = DataFrameSchema(
    {
        "area": Column(float, Check.in_range(10, 400)),
        "rooms": Column(int, Check.in_range(1, 12)),
        "garden": Column(bool),
        "heating": Column(str, Check.isin(["gas", "oil", "heat pump"])),
        "district": Column(str),
        "rent": Column(float),
    }
)
NUMBERS, TEXTS = ["area", "rooms"], ["heating", "district"]
ROW = (83.5, 3, True, "gas", "Länggasse")


def rows(count: int = 200, seed: int = 3) -> pd.DataFrame:
    """Rows of a linear world with effects of every column."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "area": random.uniform(20, 200, count).round(3),
            "rooms": random.integers(1, 8, count),
            "garden": random.integers(0, 2, count).astype(bool),
            "heating": random.choice(["gas", "oil", "heat pump"], count),
            "district": random.choice(["Länggasse", "Old Town", "Bümpliz, west"], count),
        }
    )
    known = {"gas": 0.0, "oil": -120.0, "heat pump": 90.0}
    rent = 12 * frame["area"] + 80 * frame["rooms"] + 150 * frame["garden"] + frame["heating"].map(known)
    return frame.assign(rent=rent + random.normal(0, 20, count))


def one_hot(model: object, handle_unknown: str = "ignore") -> Pipeline:
    """The usual pipeline of mixed columns."""
    parts: Sequence[tuple[str, Any, list[str]]] = [
        ("numbers", StandardScaler(), NUMBERS),
        ("truth", "passthrough", ["garden"]),
        ("texts", OneHotEncoder(handle_unknown=handle_unknown), TEXTS),
    ]
    return make_pipeline(ColumnTransformer(parts), model)


def boosted(learning_rate: float = 0.1) -> Pipeline:
    """What the recipe learns with."""
    return one_hot(GradientBoostingRegressor(n_estimators=20, learning_rate=learning_rate, random_state=0))


def target_encoded() -> Pipeline:
    """What only skops can write."""
    encoded = ColumnTransformer([("texts", TargetEncoder(), TEXTS)], remainder="passthrough")
    return make_pipeline(encoded, HistGradientBoostingRegressor(max_iter=5, random_state=0))


recipe = Recipe(
    name="flats",
    schema=SCHEMA,
    target="rent",
    estimator=boosted,
    parameters={"learning_rate": 0.1},
    metrics=(Metric("mae", examples.mean_error),),
    loss=examples.error,
    seed_data=rows,
)
