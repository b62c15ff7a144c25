from __future__ import annotations

import pytest

from cli import recipe_health
from recipes import catalog
from recipes.recipe import RecipeError


def test_a_recipe_that_cannot_be_loaded_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "names", lambda: ["diabetes"])
    [fine] = recipe_health.check()
    assert (fine.status, fine.message) == ("ok", "diabetes can be loaded")

    def load(name: str) -> None:
        if name == "wine":
            raise RecipeError("recipes/wine cannot be imported: ModuleNotFoundError: no module named 'grapes'")

    monkeypatch.setattr(catalog, "names", lambda: ["diabetes", "wine"])
    monkeypatch.setattr(catalog, "load", load)
    [broken] = recipe_health.check()
    assert (broken.status, broken.message.split(":")[0]) == ("problem", "recipes/wine cannot be imported")
