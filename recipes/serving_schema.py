"""What the scoring service must know of a recipe: its features with type and limits, as plain JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes.recipe import Recipe, RecipeError

if TYPE_CHECKING:
    from pandera.pandas import Check

Feature = dict[str, str | float]

_LIMITS = {
    "in_range": {"min_value": "minimum", "max_value": "maximum"},
    "greater_than_or_equal_to": {"min_value": "minimum"},
    "less_than_or_equal_to": {"max_value": "maximum"},
}


def serving_schema(recipe: Recipe) -> dict[str, object]:
    """The content of an image's `schema.json`.

    Returns:
        `{"recipe": …, "target": …, "features": [{"name", "type", "minimum", "maximum"}, …]}` with the features in the
        order in which the model takes them; inclusive limits, only where the recipe's checks give them.

    Raises:
        RecipeError: A feature is no number.
    """
    features = [_feature(recipe, name) for name in recipe.features]
    return {"recipe": recipe.name, "target": recipe.target, "features": features}


def _feature(recipe: Recipe, name: str) -> Feature:
    column = recipe.schema.columns[name]
    if str(column.dtype).rstrip("0123456789") not in ("float", "int", "uint"):
        raise RecipeError(f"recipe {recipe.name!r}: feature {name!r} is {column.dtype}; the service takes numbers")
    feature: Feature = {"name": name, "type": "number"}
    for check in column.checks:
        feature.update(_limits(check))
    return feature


def _limits(check: Check) -> Feature:
    names = _LIMITS.get(str(check.name), {})
    statistics = check.statistics or {}
    return {target: float(statistics[source]) for source, target in names.items()}
