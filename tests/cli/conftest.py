from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from prefect.context import refresh_global_settings_context

from recipes import catalog
from tasks.publishing import DEFAULT_RECIPE
from tests.cli.scripted import script as script


@pytest.fixture(autouse=True)
def _default_recipe_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person has added to `recipes/` changes no outcome."""
    monkeypatch.setattr(catalog, "names", lambda: [DEFAULT_RECIPE])


@pytest.fixture
def own_environment() -> Iterator[None]:
    """The environment as it was, after a command that made this process a client of a server."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
    refresh_global_settings_context()
