from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from unittest.mock import Mock
from uuid import uuid4

import pytest
from click.testing import CliRunner
from prefect.client.schemas.objects import FlowRun

from cli import listen
from cli.main import main
from platforms.errors import PlatformError
from platforms.platform import Platform
from recipes import catalog
from tasks import claim
from tasks.listening import Listener


class Stop(BaseException):
    """Ends a service that runs for ever."""


def stop(*_: object) -> None:
    raise Stop


pytestmark = pytest.mark.usefixtures("platform")


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

    names, taken = ["diabetes"], list[list[str]]()
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(catalog, "names", lambda: list(names))
    monkeypatch.setattr(Listener, "look", lambda _: [])
    monkeypatch.setattr(Listener, "take_up", take_up)
    monkeypatch.setattr(Listener, "reconcile", stop)
    with pytest.raises(Stop):
        CliRunner().invoke(main, ["listen"])
    assert taken == [["diabetes"], ["diabetes", "wine"]]


def test_every_run_that_it_starts_stands_in_its_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started = FlowRun(flow_id=uuid4(), name="retrain-1", parameters={"at_least": 1})
    monkeypatch.setattr(Listener, "look", lambda _: [started])
    monkeypatch.setattr(Listener, "reconcile", lambda _: [])
    monkeypatch.setattr(time, "sleep", stop)
    with pytest.raises(Stop):
        CliRunner().invoke(main, ["listen"])
    assert caplog.messages == ["retrain-1 is to run for {'at_least': 1}"]


def test_it_stands_by_while_another_installation_has_the_platform(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    platform.lock.swap(claim.NAME, None, "b0b on their-machine")
    monkeypatch.setattr(Listener, "look", stop)
    monkeypatch.setattr(Listener, "reconcile", stop)
    ends = [0.0, 0.0]
    monkeypatch.setattr(time, "sleep", lambda _: ends.pop() if ends else stop())
    with pytest.raises(Stop):
        CliRunner().invoke(main, ["listen"])
    [told] = caplog.messages
    assert told.startswith("standing by: this platform is in the hands of installation b0b on their-machine")


@pytest.mark.parametrize("before", [True, False])
def test_a_platform_that_cannot_be_asked_changes_nothing(before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "require", Mock(side_effect=PlatformError("the storage account is gone")))
    assert listen._is_in_charge(before) is before
