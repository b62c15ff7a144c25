"""Which recipes there are: one folder under `recipes/` each."""

from __future__ import annotations

import importlib
import pkgutil

import recipes
from recipes.recipe import Recipe, RecipeError


def names() -> list[str]:
    """Every recipe's name, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(recipes.__path__) if module.ispkg)


def load(name: str) -> Recipe:
    """Import one recipe: the attribute `recipe` of the package `recipes.<name>`.

    Raises:
        RecipeError: There is no such recipe, or it contradicts itself.
    """
    if name not in names():
        raise RecipeError(f"there is no recipe {name!r}; known: {', '.join(names())} (each is a folder in recipes/)")
    recipe = getattr(importlib.import_module(f"recipes.{name}"), "recipe", None)
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"recipes/{name}/__init__.py defines no `recipe`: import the Recipe object there")
    if recipe.name != name:
        raise RecipeError(f"recipes/{name} calls itself {recipe.name!r}: name and folder must be the same")
    return recipe
