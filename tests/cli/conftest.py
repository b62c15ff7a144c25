from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from prefect.context import refresh_global_settings_context

from tests.cli.scripted import script as script
from tests.deployed import default_recipe_only as default_recipe_only


@pytest.fixture
def own_environment() -> Iterator[None]:
    """The environment as it was, after a command that made this process a client of a server."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
    refresh_global_settings_context()
