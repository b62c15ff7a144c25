from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.pandas import Column, DataFrameSchema

from recipes.profile import Bins, Counter, Profile, bins_of, known_bins
from recipes.recipe import Quality
from tests.recipes import examples

SCHEMA = DataFrameSchema(
    {
        "id": Column(str),
        "n": Column(float, nullable=True),
        "city": Column(str, nullable=True),
        "when": Column("datetime64[us]"),
        "step": Column(int),
        "y": Column(float),
    }
)
RECIPE = examples.recipe(schema=SCHEMA, identifiers=("id", "when"), quality=Quality(exempt=("step",)))


def rows(count: int = 60) -> pa.RecordBatch:
    numbers = [None if place % 7 == 0 else float(place % 10) for place in range(count)]
    cities = [None if place % 11 == 0 else "Bern" if place % 2 else "Chur" for place in range(count)]
    return pa.record_batch(
        {
            "id": [str(place) for place in range(count)],
            "n": pa.array(numbers, pa.float64()),
            "city": [*cities[:-1], "Davos"],
            "when": pa.array(range(count), pa.timestamp("us")),
            "step": range(count),
            "y": np.linspace(0, 1, count),
        }
    )


def test_what_is_profiled_and_how() -> None:
    profile = Profile.of(RECIPE, rows())
    assert list(profile.columns) == ["n", "city", "y"]
    assert profile.rows == 60
    city = profile.columns["city"]
    assert city.bins.texts == ("Chur", "Bern")
    assert (sum(city.counts), city.missing, city.counts[-1]) == (54, 6, 1)
    number = profile.columns["n"]
    assert (number.minimum, number.maximum, number.missing) == (0.0, 9.0, 9)
    assert number.missing_rate == pytest.approx(9 / 60)
    assert profile.columns["y"].counts == (6,) * 10


def test_json_gives_the_profile_back() -> None:
    profile = Profile.of(RECIPE, rows())
    assert Profile.from_json(json.loads(json.dumps(profile.to_json(), allow_nan=False))) == profile


@given(st.lists(st.floats(allow_nan=False) | st.none(), max_size=40), st.integers(0, 40))
def test_the_counts_of_parts_add_up_and_lose_nobody(values: list[float | None], cut: int) -> None:
    frame = pa.record_batch({name: pa.array(values, pa.float64()) for name in ("a", "b", "y")})
    recipe = examples.recipe()
    bins = bins_of(recipe, frame)
    whole, parts = Counter(bins), Counter(bins)
    whole.add(frame)
    parts.add(frame.slice(0, cut))
    parts.add(frame.slice(min(cut, len(values))))
    assert whole.profile() == parts.profile()
    column = whole.profile().columns["a"]
    assert column.present + column.missing == len(values)
    json.dumps(whole.profile().to_json(), allow_nan=False)


def test_a_frequent_value_has_a_bin_of_its_own() -> None:
    values = pa.array([0.0] * 50 + list(np.linspace(1, 2, 50)))
    bins = Bins.of(values, text=False)
    counts = bins.count(values)
    assert bins.count(pa.array([0.0]))[counts == 50].tolist() == [1]
    assert counts.tolist()[0] == 0
    assert bins.count(pa.array([-1.0])).tolist()[0] == 1


def test_a_column_without_values_has_one_bin() -> None:
    bins = Bins.of(pa.nulls(3, pa.float64()), text=False)
    assert (len(bins), bins.count(pa.array([1.0])).tolist()) == (1, [1])


def test_columns_that_the_recipe_lost_are_left_out() -> None:
    profile = Profile.of(RECIPE, rows())
    assert set(known_bins(examples.recipe(), profile)) == {"y"}


def test_a_frame_of_pandas_counts_alike() -> None:
    frame: pd.DataFrame = rows().to_pandas()
    assert Profile.of(RECIPE, pa.RecordBatch.from_pandas(frame)).columns["y"].counts == (6,) * 10
