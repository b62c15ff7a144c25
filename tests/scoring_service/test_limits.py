from __future__ import annotations

import math

import numpy as np
import pytest

from scoring_service.limits import Limits
from scoring_service.schema import Feature, Schema

SCHEMA = Schema(
    "r", "y", (Feature("a", "number", 0.0, 1.0), Feature("b", "number", None, 2.0), Feature("c", "number"))
)


@pytest.mark.parametrize(
    ("rows", "hold"),
    [
        ([[0.0, 2.0, 1e308], [1.0, -1e308, -5.0]], True),
        ([[1.0000001, 0.0, 0.0]], False),
        ([[0.5, 0.0, 0.0], [-0.1, 0.0, 0.0]], False),
        ([[0.5, 2.1, 0.0]], False),
        ([[0.5, -math.inf, 0.0]], False),
        ([[0.5, 0.0, math.nan]], False),
    ],
)
def test_limits_hold_if_every_number_is_finite_and_within_those_of_its_column(
    rows: list[list[float]], hold: bool
) -> None:
    assert Limits(SCHEMA).hold(np.array(rows)) is hold


@pytest.mark.parametrize(("rows", "hold"), [([[0.5, 7.0], [1.0, 0.0]], True), ([[0.5, 7.0], [0.7, 0.0]], False)])
def test_a_column_of_listed_values_holds_no_others(rows: list[list[float]], hold: bool) -> None:
    schema = Schema("r", "y", (Feature("a", "number", values=(0.5, 1.0)), Feature("b", "number")))
    assert Limits(schema).hold(np.array(rows)) is hold


@pytest.mark.parametrize(
    ("row", "hold"),
    [
        ([math.nan, 5.0, math.nan, 0.0], True),
        ([2.0, 5.0, math.nan, math.nan], True),
        ([math.nan, math.nan, math.nan, 0.0], False),
        ([math.nan, 5.0, 0.7, 0.0], False),
        ([2.0, 5.0, 0.5, math.inf], False),
    ],
)
def test_missing_values_are_held_against_no_limits(row: list[float], hold: bool) -> None:
    features = (
        Feature("a", "number", 2.0, 3.0, nullable=True),
        Feature("b", "number", 5.0),
        Feature("c", "number", values=(0.5, 1.0), nullable=True),
        Feature("d", "number", nullable=True),
    )
    assert Limits.of(Schema("r", "y", features)).hold(np.array([row, [2.0, 6.0, 1.0, -1.0]])) is hold


def test_no_rows_are_no_good_rows() -> None:
    assert not Limits(SCHEMA).hold(np.empty((0, 3)))
