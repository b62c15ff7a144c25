"""What the scoring service must know of a recipe: its features with type and limits, as plain JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recipes import columns
from recipes.recipe import Recipe

if TYPE_CHECKING:
    from pandera.pandas import Check

Feature = dict[str, str | float | list[str | float]]

_LIMITS = {
    "in_range": {"min_value": "minimum", "max_value": "maximum"},
    "greater_than_or_equal_to": {"min_value": "minimum"},
    "less_than_or_equal_to": {"max_value": "maximum"},
}


def serving_schema(recipe: Recipe) -> dict[str, object]:
    """The content of an image's `schema.json`.

    Returns:
        `{"recipe": …, "target": …, "features": [{"name", "type", "minimum", "maximum", "values"}, …]}` with the
        features in the order in which the model takes them; inclusive limits and the list of all values, only where
        the recipe's checks give them.
    """
    features = [_feature(recipe, name) for name in recipe.features]
    return {"recipe": recipe.name, "target": recipe.target, "features": features}


def _feature(recipe: Recipe, name: str) -> Feature:
    column = recipe.schema.columns[name]
    kind = columns.kind(column)
    assert kind is not None, "a recipe has no other features"
    feature: Feature = {"name": name, "type": kind}
    for check in column.checks:
        feature.update(_limits(check, kind))
    return feature


def _limits(check: Check, kind: columns.Kind) -> Feature:
    statistics = check.statistics or {}
    if check.name == "isin" and kind != "boolean":
        allowed = {value.item() if isinstance(value, np.generic) else value for value in statistics["allowed_values"]}
        return {"values": sorted(allowed - {None})}
    names = _LIMITS.get(str(check.name), {}) if kind in ("number", "integer") else {}
    return {target: float(statistics[source]) for source, target in names.items()}
