from __future__ import annotations

import pytest
from pandera.pandas import Check, Column, DataFrameSchema

from recipes.recipe import RecipeError
from recipes.serving_schema import serving_schema
from tests.recipes import examples


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
        {"name": "low", "type": "number", "minimum": 2.0},
        {"name": "free", "type": "number"},
        {"name": "odd", "type": "number"},
        {"name": "high", "type": "number", "maximum": 5.0},
    ]


def test_a_feature_that_is_no_number_is_refused() -> None:
    schema = DataFrameSchema({"city": Column(str), "y": Column(float)})
    with pytest.raises(RecipeError, match=r"feature 'city' is .*str.*the service takes numbers"):
        serving_schema(examples.recipe(schema=schema))
