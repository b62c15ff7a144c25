from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from prefect.exceptions import ObjectNotFound

from cli import bootstrap
from platforms.errors import PlatformError
from platforms.platform import Platform
from platforms.settings import Settings
from platforms.values import Blob
from tasks import listening, reconciling, starting
from tasks.listening import Listener
from tasks.starting import Want
from tests.waiting import wait_for


@pytest.fixture
def nameless(platform: Platform, settings: Settings) -> Blob:
    """A blob whose name a program wrote in Latin-1."""
    folder = settings.state_dir / "storage" / "landing" / "diabetes"
    folder.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.csv")).write_bytes(b"age\n1\n")
    [blob] = platform.storage.list("landing/diabetes/")
    return blob


def test_a_name_that_is_no_text_keeps_nothing_else_from_being_heard(
    platform: Platform, nameless: Blob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def validate(_: str, blob: Blob) -> str:
        return blob.path.encode().decode()

    good = platform.storage.write("landing/diabetes/x.csv", b"age\n1\n")
    monkeypatch.setattr(listening, "_validate", validate)
    monkeypatch.setattr(platform.arrivals, "_settled", 0.0)
    monkeypatch.setattr(starting, "greet_server", lambda: None)
    listener = Listener(["diabetes"])
    assert listener.look() == []
    assert listener.look() == [good.path]
    assert r"caf\udce9.csv' is no UTF-8: it stays where it is, rename it" in caplog.text
    assert [want.value for want in reconciling.missing("diabetes")] == [good.path]
    assert bootstrap.waiting_or_seed("diabetes", print) == [good]


@pytest.fixture
def two(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Listener:
    """A listener of two recipes, the first of which has lost its deployments and whose journal is broken."""

    def missing(recipe: str) -> list[Want]:
        if recipe == "ill":
            raise PlatformError("the journal of ill was changed")
        return [starting.judgement(recipe, 1), starting.conclusion(recipe, 1)]

    def create(wants: list[Want]) -> list[str]:
        if wants[0].flow == "retrain":
            raise ObjectNotFound(Exception())
        return [want.deployment for want in wants]

    def validate(recipe: str, blob: Blob) -> str:
        if recipe == "ill":
            raise ObjectNotFound(Exception())
        return blob.path

    monkeypatch.setattr(reconciling, "missing", missing)
    monkeypatch.setattr(reconciling, "create", create)
    monkeypatch.setattr(listening, "_validate", validate)
    monkeypatch.setattr(starting, "greet_server", lambda: None)
    monkeypatch.setattr(platform.arrivals, "_settled", 0.0)
    return Listener(["ill", "well"])


def test_a_sick_recipe_or_deployment_keeps_no_other_from_its_runs(
    two: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    restored = Mock()
    monkeypatch.setattr(reconciling, "restore_endpoints", SimpleNamespace(fn=restored))
    assert two.reconcile() == ["release/well"]
    assert "cannot look what ill lacks now" in caplog.text
    assert "cannot run retrain/well now" in caplog.text
    wait_for(lambda: [call.args for call in restored.call_args_list] == [("ill",), ("well",)])


def test_a_batch_of_a_sick_recipe_waits_and_the_next_one_is_heard(
    two: Listener, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.storage.write("landing/ill/x.csv", b"")
    good = platform.storage.write("landing/well/x.csv", b"")
    assert two.look() == []
    assert two.look() == [good.path]
    caplog.clear()
    assert two.look() == []
    assert "landing/ill/x.csv" in caplog.text


def test_what_is_in_no_landing_folder_of_a_recipe_stays_where_it_is(
    two: Listener, platform: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = [Blob(path, 1, "e") for path in ("landing/x.csv", "x.csv", "tables/well/part-0.parquet")]
    arrivals = SimpleNamespace(handle=lambda act: [act(blob) for blob in told])
    monkeypatch.setattr(listening, "current", lambda: SimpleNamespace(arrivals=arrivals))
    assert two.look() == []
    assert caplog.text.count("is of no recipe: it stays where it is") == 3
