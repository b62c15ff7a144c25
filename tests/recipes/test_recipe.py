from __future__ import annotations

from dataclasses import replace

import pytest
from pandera.pandas import Column, DataFrameSchema

from recipes.recipe import Gate, Metric, Quality, RecipeError
from tests.recipes import examples


def test_features_are_all_columns_but_the_target_and_identifiers() -> None:
    schema = DataFrameSchema({"id": Column(str), "y": Column(float), "b": Column(float), "a": Column(float)})
    recipe = examples.recipe(schema=schema, identifiers=("id",))
    assert recipe.columns == ("id", "y", "b", "a")
    assert recipe.features == ("b", "a")


def test_entity_key_is_the_features_by_default() -> None:
    assert examples.recipe().entity_key == ("a", "b")
    assert examples.recipe(entity_key=("b",)).entity_key == ("b",)


def test_the_first_metric_is_primary() -> None:
    metrics = (Metric("mae", examples.mean_error), Metric("other", examples.mean_error))
    assert examples.recipe(metrics=metrics).primary.name == "mae"


def test_contradictions_are_named() -> None:
    with pytest.raises(RecipeError, match=r"recipe 'example': target 'z' is not in the schema"):
        examples.recipe(target="z")
    with pytest.raises(RecipeError, match=r"target is in entity_key: a corrected label would move its row"):
        examples.recipe(entity_key=("a", "y"))
    with pytest.raises(RecipeError, match=r"unknown columns \['q'\]"):
        examples.recipe(entity_key=("a", "q"))
    holes = DataFrameSchema({"a": Column(float, nullable=True), "b": Column(float), "y": Column(float)})
    with pytest.raises(RecipeError, match=r"entity_key names \['a'\], which are nullable"):
        examples.recipe(schema=holes, entity_key=("a",))
    examples.recipe(schema=holes)
    with pytest.raises(RecipeError, match=r"target is in identifiers"):
        examples.recipe(identifiers=("y",))
    texts = DataFrameSchema({"a": Column(float), "y": Column(str)})
    with pytest.raises(RecipeError, match=r"target 'y' is neither float, int nor bool: a class is a number too"):
        examples.recipe(schema=texts)
    examples.recipe(schema=DataFrameSchema({"a": Column(float), "y": Column(bool)}))
    with pytest.raises(RecipeError, match=r"metrics is empty"):
        examples.recipe(metrics=())
    with pytest.raises(RecipeError, match=r"share a name"):
        examples.recipe(metrics=(Metric("m", examples.mean_error),) * 2)
    with pytest.raises(RecipeError, match=r"holdout is 1\.0"):
        examples.recipe(holdout=1.0)
    with pytest.raises(RecipeError, match=r"lower-case"):
        examples.recipe(name="Not A Folder")
    with pytest.raises(RecipeError, match=r"has no feature"):
        examples.recipe(schema=DataFrameSchema({"y": Column(float)}))
    with pytest.raises(RecipeError, match=r"\['_row'\] are reserved"):
        examples.recipe(schema=DataFrameSchema({"y": Column(float), "_row": Column(float)}))
    with pytest.raises(RecipeError, match=r"parameters \['force'\] are reserved, .* has recipe, dataset_version"):
        examples.recipe(parameters={"alpha": 1.0, "force": True})


def test_every_contradiction_is_told_at_once() -> None:
    with pytest.raises(RecipeError, match=r"metrics is empty.*; holdout is 0"):
        replace(examples.recipe(), metrics=(), holdout=0.0)


@pytest.mark.parametrize("confidence", [0.49, 1.0, -1.0])
def test_gate_refuses_a_confidence_that_is_none(confidence: float) -> None:
    with pytest.raises(RecipeError, match="gate confidence"):
        Gate(confidence)


@pytest.mark.parametrize("field", [{"min_rows": 0}, {"max_repeated": 0.0}, {"false_alarms": 1.0}, {"min_psi": -0.1}])
def test_quality_refuses_what_is_no_limit(field: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match=f"quality: {next(iter(field))} is"):
        replace(Quality(), **field)  # type: ignore[arg-type]  # that is the test


def test_quality_exempts_known_columns_only() -> None:
    with pytest.raises(RecipeError, match=r"quality.exempt names unknown columns \['q'\]"):
        examples.recipe(quality=Quality(exempt=("q",)))


def test_gate_may_compare_plain_means() -> None:
    assert Gate(None).confidence is None
