"""Which recipes there are: one folder under `recipes/` each."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import recipes
from recipes.recipe import Recipe, RecipeError


def names() -> list[str]:
    """Every recipe's name, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(recipes.__path__) if module.ispkg)


def load(name: str) -> Recipe:
    """Import one recipe: the attribute `recipe` of the package `recipes.<name>`.

    Raises:
        RecipeError: There is no such recipe, it cannot be imported, or it contradicts itself.
    """
    if name not in names():
        raise RecipeError(f"there is no recipe {name!r}; known: {', '.join(names())} (each is a folder in recipes/)")
    recipe = getattr(_imported(name), "recipe", None)
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"recipes/{name}/__init__.py defines no `recipe`: import the Recipe object there")
    if recipe.name != name:
        raise RecipeError(
            f"recipes/{name} calls itself {recipe.name!r}: `name`, folder and the import in __init__.py must agree"
        )
    return recipe


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"recipes.{name}")
    except RecipeError:
        raise
    except Exception as error:  # A recipe is somebody else's code.
        raise RecipeError(f"recipes/{name} cannot be imported: {type(error).__name__}: {error}") from error
