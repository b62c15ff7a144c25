from __future__ import annotations

import numpy as np
import pytest

from recipes import catalog
from recipes.serving_schema import serving_schema
from tests.recipes.frames import validate


def test_seed_data_is_complete_and_fits_the_schema() -> None:
    recipe = catalog.load("diabetes")
    frame = recipe.seed_data()
    assert frame.shape == (442, 11)
    assert tuple(frame.columns) == recipe.columns
    assert set(map(str, frame.dtypes)) == {"float64"}
    assert validate(recipe, frame) == []


def test_recipe_is_the_documented_one() -> None:
    recipe = catalog.load("diabetes")
    assert recipe.features == ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
    assert recipe.entity_key == recipe.features
    assert recipe.parameters == {"alpha": 0.4}
    assert [(metric.name, metric.lower_is_better) for metric in recipe.metrics] == [
        ("mse", True),
        ("mae", True),
        ("r2", False),
    ]


def test_loss_averages_to_the_primary_metric() -> None:
    recipe = catalog.load("diabetes")
    actual, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 1.0])
    assert recipe.loss(actual, predicted).mean() == pytest.approx(recipe.primary.function(actual, predicted))


def test_every_feature_is_served_as_a_number_with_its_limits() -> None:
    schema = serving_schema(catalog.load("diabetes"))
    features = schema["features"]
    assert isinstance(features, list)
    assert len(features) == 10
    assert features[1] == {"name": "sex", "type": "number", "minimum": -0.3, "maximum": 0.3}
    assert (schema["recipe"], schema["target"]) == ("diabetes", "Y")
