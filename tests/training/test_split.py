from __future__ import annotations

import hashlib
import math
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.pandas import Column, DataFrameSchema

from recipes import catalog
from recipes.recipe import Recipe
from tests.recipes import examples
from training import fit, split

RECIPE = examples.recipe()
NUMBERS = st.floats(0, 1) | st.just(math.nan)
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=30)


def frame(rows: list[tuple[float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["a", "b", "y"], dtype="float64")


@given(ROWS, ROWS)
def test_adding_rows_moves_none(old: list[tuple[float, float, float]], new: list[tuple[float, float, float]]) -> None:
    alone = split.in_holdout(RECIPE, frame(old))
    assert list(split.in_holdout(RECIPE, frame(new + old))[len(new) :]) == list(alone)
    assert list(split.in_holdout(RECIPE, frame(old + new))[: len(old)]) == list(alone)


@given(ROWS, st.floats(allow_nan=True))
def test_correcting_labels_moves_none(rows: list[tuple[float, float, float]], label: float) -> None:
    corrected = frame(rows).assign(y=label)
    assert list(split.in_holdout(RECIPE, corrected)) == list(split.in_holdout(RECIPE, frame(rows)))


@given(ROWS)
def test_latest_keeps_the_last_row_of_each_entity(rows: list[tuple[float, float, float]]) -> None:
    kept = split.latest(RECIPE, frame(rows))
    last = {(repr(a + 0.0), repr(b + 0.0)): repr(y) for a, b, y in rows}
    found = {(repr(a + 0.0), repr(b + 0.0)): repr(y) for a, b, y in kept.itertuples(index=False)}
    assert found == last
    assert len(kept) == len(last)


def test_the_hash_is_the_documented_one() -> None:
    key = b"f" + struct.pack("<d", 0.5) + b"n"
    digest = hashlib.blake2b(key, key=split.SALT, digest_size=16).digest()
    found = split.entity_hashes(RECIPE, frame([(0.5, math.nan, 1.0)]))
    assert found.tolist() == [list(struct.unpack("<QQ", digest))]


def test_keys_are_canonical_across_types_and_signs_of_zero() -> None:
    recipe = examples.recipe(schema=DataFrameSchema({"k": Column(str), "y": Column(float)}))

    def hashes(values: list[object], dtype: str | None = None) -> list[list[int]]:
        key = pd.DataFrame({"k": pd.Series(values, dtype=dtype), "y": 0.0})
        found: list[list[int]] = split.entity_hashes(recipe, key).tolist()
        return found

    assert hashes([0.0, 1.0]) == hashes([-0.0, 1.0]) == hashes([0, 1]) == hashes([False, True])
    assert hashes([None], "object") == hashes([math.nan]) == hashes([pd.NA], "Int64") == hashes([None], "str")
    assert hashes(["1"]) != hashes([1])
    assert hashes([2**53 + 1]) != hashes([2**53])
    assert hashes(["é"]) == hashes(["é"], "object")


def test_texts_do_not_run_together() -> None:
    recipe = examples.recipe(schema=DataFrameSchema({"p": Column(str), "q": Column(str), "y": Column(float)}))
    rows = pd.DataFrame({"p": ["ab", "a"], "q": ["c", "bc"], "y": 0.0})
    first, second = split.entity_hashes(recipe, rows).tolist()
    assert first != second


def test_the_holdout_has_about_its_share() -> None:
    many = pd.DataFrame(np.random.default_rng(1).uniform(0, 1, (70_000, 3)), columns=["a", "b", "y"])
    assert split.in_holdout(RECIPE, many).mean() == pytest.approx(RECIPE.holdout, abs=0.01)


def lower_bound(recipe: Recipe, champion: fit.Fit, candidate: fit.Fit) -> float:
    """The paired bootstrap of the gate, one-sided at 0.9."""
    actual = candidate.holdout[recipe.target].to_numpy()
    served = fit.predict(recipe, champion.estimator, candidate.holdout)
    gain = recipe.loss(actual, served) - recipe.loss(actual, candidate.predictions)
    means = gain[np.random.default_rng(0).integers(0, len(gain), (10_000, len(gain)))].mean(axis=1)
    return float(np.quantile(means, 0.1))


def test_the_salt_lets_the_demo_promote_and_reject() -> None:
    recipe = catalog.load("diabetes")
    rows = recipe.seed_data()
    first = fit.fit(recipe, rows.head(120), {"alpha": 0.4})
    better = fit.fit(recipe, rows, {"alpha": 0.4})
    worse = fit.fit(recipe, rows, {"alpha": 1000.0})
    assert lower_bound(recipe, first, better) > 300
    assert lower_bound(recipe, better, worse) < -1000
    assert lower_bound(recipe, better, better) == 0
