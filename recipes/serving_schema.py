"""What the scoring service must know of a recipe: its features with type and limits, as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from recipes import columns
from recipes.recipe import Recipe

if TYPE_CHECKING:
    from pandera.pandas import Check

Feature = dict[str, str | float | list[str | float]]


def serving_schema(recipe: Recipe, tried: Collection[str] | None = None) -> dict[str, object]:
    """The content of an image's `schema.json`.

    Args:
        recipe: As it is now.
        tried: The features that the model's form was tried without, if not all that the recipe says are nullable:
            the recipe may say so only since the model was trained. No others are nullable in the image.

    Returns:
        `{"recipe": …, "target": …, "features": [{"name", "type", "nullable", "minimum", "maximum", "values"}, …]}`
        with the features in the order in which the model takes them; `nullable` only where it is true, inclusive
        limits and the list of all values only where the recipe's checks give them. An exclusive limit is the number
        next to it.
    """
    nullable = [name for name in recipe.nullable if tried is None or name in tried]
    features = [_feature(recipe, name, name in nullable) for name in recipe.features]
    return {"recipe": recipe.name, "target": recipe.target, "features": features}


def _feature(recipe: Recipe, name: str, nullable: bool) -> Feature:
    column = recipe.schema.columns[name]
    kind = columns.kind(column)
    assert kind is not None, "a recipe has no other features"
    feature: Feature = {"name": name, "type": kind}
    if nullable:
        feature["nullable"] = True
    if kind in ("number", "integer"):
        bounds = [bound for check in column.checks for bound in _bounds(check, kind)]
        if lows := [low for low, _ in bounds if low is not None]:
            feature["minimum"] = max(lows)
        if highs := [high for _, high in bounds if high is not None]:
            feature["maximum"] = min(highs)
    if kind != "boolean" and (allowed := [_allowed(check) for check in column.checks if check.name == "isin"]):
        feature["values"] = sorted(set.intersection(*allowed))
    return feature


def _allowed(check: Check) -> set[str | float]:
    values = (check.statistics or {})["allowed_values"]
    plain = {value.item() if isinstance(value, np.generic) else value for value in values}
    # None and NaN say that a value may be missing, which is for `nullable` to say; JSON has no NaN.
    return {value for value in plain if value is not None and value == value}


def _bounds(check: Check, kind: columns.Kind) -> Iterator[tuple[float | None, float | None]]:
    """The least and the largest value that a check allows."""
    given = check.statistics or {}
    match check.name:
        case "in_range":
            low = _least(given["min_value"], kind, given.get("include_min", True))
            yield low, _largest(given["max_value"], kind, given.get("include_max", True))
        case "greater_than_or_equal_to":
            yield _least(given["min_value"], kind, True), None
        case "greater_than":
            yield _least(given["min_value"], kind, False), None
        case "less_than_or_equal_to":
            yield None, _largest(given["max_value"], kind, True)
        case "less_than":
            yield None, _largest(given["max_value"], kind, False)
        case "equal_to":
            yield float(given["value"]), float(given["value"])


def _least(limit: float, kind: columns.Kind, included: bool) -> float:
    if included:
        return float(limit)
    return float(math.floor(limit) + 1 if kind == "integer" else math.nextafter(limit, math.inf))


def _largest(limit: float, kind: columns.Kind, included: bool) -> float:
    return -_least(-limit, kind, included)
