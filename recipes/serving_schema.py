"""What the scoring service must know of a recipe: its features with type and limits, as plain JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes.recipe import Recipe, RecipeError

if TYPE_CHECKING:
    from pandera.pandas import Check, Column

Feature = dict[str, str | float | list[str]]

_LIMITS = {
    "in_range": {"min_value": "minimum", "max_value": "maximum"},
    "greater_than_or_equal_to": {"min_value": "minimum"},
    "less_than_or_equal_to": {"max_value": "maximum"},
    "isin": {"allowed_values": "enum"},
}
_TYPES = {"float": "number", "int": "integer", "uint": "integer", "bool": "boolean", "str": "string"}


def serving_schema(recipe: Recipe) -> dict[str, object]:
    """The content of an image's `schema.json`.

    Returns:
        `{"recipe": …, "target": …, "features": [{"name", "type", "minimum", "maximum"}, …]}` with the features in the
        order in which the model takes them; limits only where the recipe's checks give them.

    Raises:
        RecipeError: A feature has a type that cannot be asked for in JSON.
    """
    features = [_feature(recipe, name) for name in recipe.features]
    return {"recipe": recipe.name, "target": recipe.target, "features": features}


def _feature(recipe: Recipe, name: str) -> Feature:
    column = recipe.schema.columns[name]
    feature: Feature = {"name": name, "type": _type(recipe, name, column)}
    for check in column.checks:
        feature.update(_limits(check))
    return feature


def _type(recipe: Recipe, name: str, column: Column) -> str:
    dtype = str(column.dtype).rstrip("0123456789")
    if dtype not in _TYPES:
        raise RecipeError(f"recipe {recipe.name!r}: feature {name!r} has type {column.dtype}; use {sorted(_TYPES)}")
    return _TYPES[dtype]


def _limits(check: Check) -> Feature:
    statistics = check.statistics or {}
    names = _LIMITS.get(str(check.name), {})
    return {target: _plain(statistics[source]) for source, target in names.items()}


def _plain(value: object) -> float | list[str]:
    if isinstance(value, int | float):
        return float(value)
    return sorted(str(item) for item in value) if isinstance(value, list | tuple | set | frozenset) else []
