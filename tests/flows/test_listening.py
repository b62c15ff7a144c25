from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import cast

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Completed

from flows.validate_data import validate_data
from platforms import selection
from platforms.errors import NotFoundError
from platforms.platform import Platform
from platforms.protocols import Registry
from platforms.values import Blob, ModelVersion
from tasks import starting
from tasks.listening import Listener
from tests.deployed import end, forget_runs
from tests.flows.conftest import Land, ScriptedCompute, seed_csv

pytestmark = pytest.mark.usefixtures("deployments", "no_runs")
MODEL = ModelVersion("diabetes", 7, {})


class Told:
    """Arrivals that a test tells; what is not done stays."""

    def __init__(self) -> None:
        self.waiting: list[Blob | ModelVersion] = []
        self.asked = 0

    def handle(self, act: Callable[[Blob | ModelVersion], bool]) -> None:
        self.asked += 1
        self.waiting = [arrival for arrival in self.waiting if not act(arrival)]


class Registered:
    """A registry in which `retrain` registered one version."""

    def get(self, recipe: str, version: int) -> ModelVersion:
        if version != MODEL.version:
            raise NotFoundError(f"version {version} of model {recipe!r} was not registered by Ridgeline: retrain it")
        return MODEL


@pytest.fixture
def told(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    forget_runs()
    arrivals = Told()
    changed = dataclasses.replace(platform, arrivals=arrivals, registry=cast(Registry, Registered()))
    monkeypatch.setattr(selection, "load", lambda _: changed)
    selection.current.cache_clear()
    yield arrivals
    selection.current.cache_clear()


def releases() -> list[object]:
    found = starting.runs_about(starting.conclusion("diabetes", 7), starting.ANY)
    return [run.id for run in found]


def test_a_model_is_released_once_its_own_event_had_time(told: Told) -> None:
    listener = Listener(["diabetes"])
    told.waiting = [MODEL]
    assert listener.look() == []
    [run] = listener.look()
    assert run.parameters == {"recipe": "diabetes", "model_version": 7}
    assert told.waiting == []


def test_a_model_of_somebody_else_is_told_and_let_go(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(["diabetes"])
    told.waiting = [ModelVersion("diabetes", 8, {})]
    for _ in range(2):
        assert listener.look() == []
    assert told.waiting == []
    assert "version 8 of diabetes is not released: version 8 of model 'diabetes' was not registered by" in caplog.text


def test_a_model_whose_release_is_known_starts_no_second_one(told: Told) -> None:
    run = starting.ensure(starting.conclusion("diabetes", 7))
    assert run is not None
    listener = Listener(["diabetes"])
    for _ in range(3):
        told.waiting = [MODEL, MODEL]
        assert listener.look() == []
        assert told.waiting == []
    end(run, Completed())
    told.waiting = [MODEL]
    assert listener.look() == []
    assert releases() == [run.id]


def test_what_is_told_twice_and_what_reconcile_finds_is_one_release(told: Told) -> None:
    for _ in range(2):
        listener = Listener(["diabetes"])
        told.waiting = [MODEL, MODEL]
        listener.look()
        listener.look()
    starting.ensure(starting.conclusion("diabetes", 7))
    assert len(releases()) == 1


def test_a_model_whose_release_is_concluded_needs_no_run(told: Told, platform: Platform) -> None:
    platform.journal.append("diabetes", "superseded", reason="r", flow_run="f", model_version=7)
    told.waiting = [MODEL]
    assert Listener(["diabetes"]).look() == []
    assert (told.waiting, releases()) == ([], [])


def test_what_belongs_to_no_recipe_is_told_and_let_go(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.waiting = [Blob("landing/unknown/x.csv", 1, "e"), Blob("landing/x.csv", 1, "e"), ModelVersion("gpt", 1, {})]
    assert Listener(["diabetes"]).look() == []
    assert told.waiting == []
    assert all(text in caplog.text for text in ("landing/unknown/x.csv", "landing/x.csv", "gpt"))


def test_nothing_is_taken_while_the_server_is_gone(told: Told) -> None:
    told.waiting = [Blob("landing/diabetes/x.csv", 1, "e")]
    listener = Listener(["diabetes"])
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(httpx.ConnectError),
    ):
        listener.look()
    assert told.asked == 0
    [run] = listener.look()
    assert run.parameters == {"recipe": "diabetes", "path": "landing/diabetes/x.csv"}


def test_a_recipe_that_comes_later_is_heard_once_it_is_published(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener([])
    blob = Blob("landing/diabetes/late.csv", 1, "e")
    listener.take_up(["diabetes", "unpublished"])
    told.waiting = [Blob("landing/unpublished/x.csv", 1, "e"), blob]
    [run] = listener.look()
    assert run.parameters == {"recipe": "diabetes", "path": blob.path}
    assert "landing/unpublished/x.csv" in caplog.text
    asked: list[str] = []
    monkeypatch.setattr(starting, "is_published", asked.append)
    listener.take_up(["diabetes"])
    assert asked == [], "a known recipe costs no question"


def test_the_listener_starts_what_has_stopped_growing(
    loop_platform: Platform, landed: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_platform.arrivals, "_settled", 0.0)
    listener = Listener(["diabetes"])
    path = landed("growing file.csv", b"age\n")
    assert listener.look() == []
    landed("growing file.csv", seed_csv(slice(60)))
    assert listener.look() == []
    [run] = listener.look()
    assert run.parameters == {"recipe": "diabetes", "path": path}
    assert listener.look() == []


def test_the_listener_creates_at_once_what_was_missing_before_it_came(loop_platform: Platform, data: int) -> None:
    [run] = Listener(["diabetes"]).reconcile()
    assert run.parameters["at_least"] == data


def test_the_listener_gives_events_time_to_arrive(
    loop_platform: Platform, landed: Land, compute: ScriptedCompute
) -> None:
    listener = Listener(["diabetes"])
    assert listener.reconcile() == []
    validate_data(landed("seed.csv", seed_csv()), return_state=True)
    assert listener.reconcile() == []
    assert [run.parameters["recipe"] for run in listener.reconcile()] == ["diabetes"]


def test_a_second_listener_starts_nothing_twice(
    loop_platform: Platform, landed: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_platform.arrivals, "_settled", 0.0)
    landed("seed.csv", seed_csv())
    first, second = Listener(["diabetes"]), Listener(["diabetes"])
    for listener in (first, second):
        listener.look()
    assert [run.id for run in first.look()] == [run.id for run in second.look()]
