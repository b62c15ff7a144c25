from __future__ import annotations

import json
from typing import cast

import msgspec
import numpy as np
import pytest
from pandera.pandas import Check, Column, DataFrameSchema

from recipes.recipe import RecipeError
from recipes.serving_schema import Feature, serving_schema
from scoring_service.schema import Schema
from tests.recipes import examples, flats


def test_limits_come_from_the_checks_that_give_any() -> None:
    schema = DataFrameSchema(
        {
            "low": Column(int, Check.ge(2)),
            "free": Column(float),
            "odd": Column(float, Check(lambda values: values > 0)),
            "y": Column(float, Check.le(9)),
            "high": Column(float, [Check.le(5), Check.ne(3)]),
        }
    )
    assert serving_schema(examples.recipe(schema=schema))["features"] == [
        {"name": "low", "type": "integer", "minimum": 2.0},
        {"name": "free", "type": "number"},
        {"name": "odd", "type": "number"},
        {"name": "high", "type": "number", "maximum": 5.0},
    ]


@pytest.mark.parametrize(
    ("dtype", "checks", "limits"),
    [
        (float, Check.gt(0), (np.nextafter(0, 1), None)),
        (float, Check.lt(0.3), (None, np.nextafter(0.3, 0))),
        (int, [Check.gt(2), Check.lt(5)], (3, 4)),
        (int, [Check.gt(2.5), Check.lt(4.5)], (3, 4)),
        (float, Check.in_range(1, 2, include_min=False), (np.nextafter(1, 2), 2)),
        (int, Check.in_range(1, 9, include_max=False), (1, 8)),
        (float, Check.eq(7), (7, 7)),
        (float, [Check.ge(1), Check.gt(5), Check.ge(3), Check.le(9), Check.in_range(0, 20)], (np.nextafter(5, 6), 9)),
    ],
)
def test_the_narrowest_of_all_limits_counts_whether_inclusive_or_not(
    dtype: type, checks: Check | list[Check], limits: tuple[float | None, float | None]
) -> None:
    schema = DataFrameSchema({"x": Column(dtype, checks), "y": Column(float)})
    [feature] = cast("list[Feature]", serving_schema(examples.recipe(schema=schema))["features"])
    assert (feature.get("minimum"), feature.get("maximum")) == limits


def test_texts_and_truth_values_are_features_too() -> None:
    assert serving_schema(flats.recipe)["features"] == [
        {"name": "area", "type": "number", "minimum": 10.0, "maximum": 400.0},
        {"name": "rooms", "type": "integer", "minimum": 1.0, "maximum": 12.0},
        {"name": "garden", "type": "boolean"},
        {"name": "heating", "type": "string", "values": ["gas", "heat pump", "oil"]},
        {"name": "district", "type": "string"},
    ]


def test_only_numbers_are_nullable() -> None:
    schema = DataFrameSchema(
        {name: Column(dtype, nullable=True) for name, dtype in (("n", float), ("i", int), ("t", str), ("b", bool))}
        | {"whole": Column(float), "y": Column(float, nullable=True)}
    )
    recipe = examples.recipe(schema=schema)
    assert recipe.nullable == ("n",)
    assert serving_schema(recipe)["features"] == [
        {"name": "n", "type": "number", "nullable": True},
        {"name": "i", "type": "integer"},
        {"name": "t", "type": "string"},
        {"name": "b", "type": "boolean"},
        {"name": "whole", "type": "number"},
    ]


def test_values_are_listed_in_order() -> None:
    schema = DataFrameSchema(
        {
            "rooms": Column(int, Check.isin(np.array([3, 1, 2]))),
            "city": Column(str, Check.isin(["b", "a", None])),
            "garden": Column(bool, Check.isin([True, False])),
            "share": Column(float, Check.isin([np.nan, 1, 0.5, np.float64("nan")]), nullable=True),
            "y": Column(float),
        }
    )
    content = serving_schema(examples.recipe(schema=schema))
    assert [feature.get("values") for feature in content["features"]] == [[1, 2, 3], ["a", "b"], None, [0.5, 1]]  # type: ignore[attr-defined]  # JSON
    read = msgspec.json.decode(json.dumps(content), type=Schema)
    assert [feature.values for feature in read.features] == [(1.0, 2.0, 3.0), ("a", "b"), None, (0.5, 1.0)]


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "category", "Int64", None])
def test_a_feature_that_no_row_of_json_can_have_is_refused_by_the_recipe(dtype: str | None) -> None:
    schema = DataFrameSchema({"odd": Column(dtype), "a": Column(float), "y": Column(float)})
    with pytest.raises(RecipeError, match=r"features \['odd'\] are neither float, int, bool nor str"):
        examples.recipe(schema=schema)
    examples.recipe(schema=schema, identifiers=("odd",))
