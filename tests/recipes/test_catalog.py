from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from recipes import catalog
from recipes.recipe import RecipeError
from tests.recipes import examples


def test_every_folder_is_a_recipe_that_loads() -> None:
    assert "diabetes" in catalog.names()
    assert catalog.names() == sorted(catalog.names())
    assert [catalog.load(name).name for name in catalog.names()] == catalog.names()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'diabetis'; known: .*diabetes"):
        catalog.load("diabetis")


def test_a_folder_must_define_a_recipe_of_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "importlib", SimpleNamespace(import_module=lambda _: SimpleNamespace(recipe=None)))
    with pytest.raises(RecipeError, match=r"defines no `recipe`"):
        catalog.load("diabetes")
    other = SimpleNamespace(recipe=examples.recipe(name="other"))
    monkeypatch.setattr(catalog, "importlib", SimpleNamespace(import_module=lambda _: other))
    with pytest.raises(RecipeError, match=r"calls itself 'other'"):
        catalog.load("diabetes")


def test_a_folder_that_cannot_be_imported_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("No module named 'xgboost'")

    monkeypatch.setattr(catalog, "importlib", SimpleNamespace(import_module=fail))
    with pytest.raises(RecipeError, match="recipes/diabetes cannot be imported: ModuleNotFoundError: No module"):
        catalog.load("diabetes")


def test_names_import_nothing_heavy() -> None:
    code = "import sys; from recipes import catalog; catalog.names(); print(set(sys.modules) & {'numpy', 'pandera'})"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
