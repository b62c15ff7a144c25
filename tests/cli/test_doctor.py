from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result

from cli import doctor as module
from cli import installation
from cli.main import main
from platforms.local import control, diagnosis
from platforms.local.diagnosis import Check
from platforms.settings import Settings


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine's disks and leftovers are like."""
    from platforms.local import leftovers

    for owner, name in ((diagnosis, "disks"), (leftovers, "orphans"), (leftovers, "folders")):
        monkeypatch.setattr(owner, name, lambda _: [])


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def test_nothing_runs_and_nothing_is_changed(settings: Settings) -> None:
    done = call()
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert {"python", "packages", "uv", "setup", "ports", "services", "recipes"} == {
        line.split()[1] for line in lines
    }
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}
    assert not settings.state_dir.exists()


def test_a_problem_is_told_with_what_to_do(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "disks", lambda _: [Check("disk", "problem", "it is full", "empty it")])
    done = call()
    assert done.exit_code == 1
    assert "problem  disk         it is full -> empty it" in done.output.splitlines()


def test_a_warning_is_no_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "disks", lambda _: [Check("disk", "warning", "it is nearly full", "look")])
    assert call().exit_code == 0


def test_the_document_has_the_same(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "examine", lambda _: iter([Check("a", "ok", "b"), Check("c", "problem", "d", "e")]))
    done = call("--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "ok": False,
        "checks": [
            {"name": "a", "status": "ok", "message": "b", "advice": ""},
            {"name": "c", "status": "problem", "message": "d", "advice": "e"},
        ],
    }


def test_a_check_that_breaks_hides_no_other(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Check]:
        yield Check("python", "ok", "fine")
        raise OSError("no such\nfile")

    monkeypatch.setattr(installation, "check", broken)
    found = {check.name: check for check in module.examine(settings)}
    assert found["python"].status == "ok"
    assert found["installation"].status == "problem"
    assert found["installation"].message == "cannot be checked: OSError: no such file"
    assert found["services"].status == "ok"


def test_the_server_is_asked_only_where_services_run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Settings) -> NoReturn:
        raise ConnectionError("refused")

    monkeypatch.setattr(control, "running", lambda _: True)
    monkeypatch.setattr(control, "adopt", refused)
    monkeypatch.setattr(diagnosis, "running", lambda _: [])
    monkeypatch.setattr(diagnosis, "endpoints", lambda _: [Check("endpoints", "ok", "serving")])
    found = {check.name: check for check in module.examine(settings)}
    assert found["endpoints"].status == "ok"
    assert found["server"].message == "cannot be checked: ConnectionError: refused"
