from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from click.testing import CliRunner
from prefect.client.schemas.objects import FlowRun

from cli.main import main
from platforms.errors import PlatformError
from recipes import catalog
from tasks.listening import Listener


class Stop(BaseException):
    """Ends a service that runs for ever."""


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    logger = logging.getLogger("ridgeline")
    before = logger.level
    yield
    logger.setLevel(before)


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


def test_every_run_that_it_starts_stands_in_its_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def reconcile(self: Listener) -> list[FlowRun]:
        raise Stop

    started = FlowRun(flow_id=uuid4(), name="retrain-1", parameters={"at_least": 1})
    monkeypatch.setattr(Listener, "look", lambda _: [started])
    monkeypatch.setattr(Listener, "reconcile", reconcile)
    with pytest.raises(Stop):
        CliRunner().invoke(main, ["listen"])
    assert caplog.messages == ["retrain-1 is to run for {'at_least': 1}"]
