from __future__ import annotations

import time

import pytest
from click.testing import CliRunner

from cli.main import main
from platforms.errors import PlatformError
from recipes import catalog
from tasks.listening import Listener


class Stop(BaseException):
    """Ends a service that runs for ever."""


def test_each_comparison_begins_with_the_recipes_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_up(self: Listener, recipes: list[str]) -> None:
        taken.append(recipes)
        names.append("wine")
        if len(taken) == 1:
            raise PlatformError("the server is gone")

    def reconcile(self: Listener) -> list[object]:
        raise Stop

    names, taken = ["diabetes"], list[list[str]]()
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(catalog, "names", lambda: list(names))
    monkeypatch.setattr(Listener, "look", lambda _: [])
    monkeypatch.setattr(Listener, "take_up", take_up)
    monkeypatch.setattr(Listener, "reconcile", reconcile)
    with pytest.raises(Stop):
        CliRunner().invoke(main, ["listen"])
    assert taken == [["diabetes"], ["diabetes", "wine"]]
