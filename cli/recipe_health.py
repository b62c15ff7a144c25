"""Whether every recipe can be loaded: one that cannot is missing wherever recipes are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from platforms.local.diagnosis import Check
from recipes import catalog
from recipes.recipe import RecipeError


def check() -> Iterator[Check]:
    """Import each folder below recipes/."""
    broken = 0
    for name in catalog.names():
        try:
            catalog.load(name)
        except RecipeError as error:
            broken += 1
            yield Check("recipes", "problem", str(error), "mend it or move it away, then `ridgeline deploy`")
    if not broken:
        yield Check("recipes", "ok", f"{', '.join(catalog.names())} can be loaded")
