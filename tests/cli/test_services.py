from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import dotenv
from cli.main import main
from platforms import settings as settings_module
from platforms.local import control, record
from platforms.settings import Settings


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


class Services:
    """Stands for the services: what the commands asked of them, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.running = False
        self.settings: Settings | None = None
        self.deadline = 0.0
        self.code = 0

    def start(self, settings: Settings, report: Callable[[str], None], *, tied: bool) -> bool:
        self.settings = settings
        self.calls.append("start tied" if tied else "start")
        report("server is up")
        return not self.running

    def stop(self, state: Path) -> bool:
        self.calls.append("stop")
        return self.running

    def run(self, settings: Settings, module: str, deadline: str, since: str, *options: str) -> int:
        assert module == "cli.bootstrap"
        assert datetime.fromisoformat(since) <= datetime.now(UTC)
        self.calls.append(" ".join(["settle", *options]))
        self.deadline = float(deadline)
        return self.code

    def follow(self, settings: Settings) -> None:
        self.calls.append("follow")
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def services(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Services:
    found = Services()
    for name in ("start", "run", "stop", "follow"):
        monkeypatch.setattr(control, name, getattr(found, name))
    monkeypatch.setattr(control, "adopt", lambda _: None)
    monkeypatch.setattr(dotenv, "write", lambda _: found.calls.append("write"))
    monkeypatch.setattr(settings_module, "ROOT", tmp_path)
    return found


def test_up_detached_settles_and_leaves(services: Services, settings: Settings) -> None:
    result = invoke("up", "--detach")
    assert result.exit_code == 0, result.output
    assert services.calls == ["start", "write", "settle"]
    assert f"ready: Prefect at {settings.prefect_url}" in result.output


def test_up_may_take_over_what_another_installation_has_claimed(services: Services) -> None:
    result = invoke("up", "--detach", "--take-over")
    assert result.exit_code == 0, result.output
    assert services.calls[-1] == "settle --take-over"


def test_up_stays_until_it_is_interrupted_and_then_stops_everything(services: Services) -> None:
    before = signal.getsignal(signal.SIGTERM)
    result = invoke("up")
    assert result.exit_code == 0, result.output
    assert services.calls == ["start tied", "write", "settle", "follow", "stop"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_up_on_a_running_one_says_so(services: Services) -> None:
    services.running = True
    result = invoke("up", "--detach")
    assert result.exit_code == 0
    assert "already running" in result.output
    assert services.calls == ["start", "write", "settle"]


@pytest.mark.parametrize("running", [False, True])
def test_an_interrupt_right_after_the_start_ends_what_was_started_and_nothing_else(
    services: Services, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    services.running = running
    monkeypatch.setattr(dotenv, "write", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    result = invoke("up", "--detach")
    assert result.exit_code == 1
    assert services.calls == ["start", *([] if running else ["stop"])]


def test_the_time_that_the_services_take_to_start_counts(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(settings: Settings, report: object, *, tied: bool) -> bool:
        started.append(time.monotonic())
        return True

    started: list[float] = []
    monkeypatch.setattr(control, "start", start)
    invoke("up", "--detach")
    assert services.deadline <= started[0] + 400


def test_services_in_the_foreground_outlive_a_failed_run(services: Services) -> None:
    services.code = 1
    result = invoke("up")
    assert "the services run on: Ctrl-C stops them" in result.stderr
    assert "ready:" not in result.stdout
    assert services.calls == ["start tied", "write", "settle", "follow", "stop"]


def test_an_interrupted_start_is_a_failure_and_leaves_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "run", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    result = invoke("up", "--detach")
    assert result.exit_code == 1
    assert services.calls[-1] == "stop"


def test_a_failed_run_is_the_end_of_the_command_and_not_of_what_runs(services: Services) -> None:
    services.code = 1
    result = invoke("up", "--detach")
    assert result.exit_code == 1
    assert "ready:" not in result.output
    assert services.calls == ["start", "write", "settle"]


def test_up_does_not_believe_the_state_in_the_file(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDGELINE_STATE", "elsewhere")
    invoke("up", "--detach")
    assert services.settings
    assert services.settings.state == Path("elsewhere")
    monkeypatch.delenv("RIDGELINE_STATE")
    invoke("up", "--detach")
    assert services.settings.state == Path(".ridgeline/state")


def test_down_stops_every_state_of_the_clone_or_the_one_that_the_environment_names(
    services: Services, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[Path] = []

    def stop(state: Path) -> bool:
        stopped.append(state)
        return True

    monkeypatch.setattr(control, "stop", stop)
    for name in ("state", "demo"):
        (tmp_path / ".ridgeline" / name).mkdir(parents=True)
        (tmp_path / ".ridgeline" / name / "supervisor.lock").touch()
    result = invoke("down")
    assert (result.exit_code, stopped) == (0, [settings.state_dir])
    monkeypatch.delenv("RIDGELINE_STATE")
    stopped.clear()
    result = invoke("down")
    assert result.exit_code == 0
    assert {tmp_path / ".ridgeline" / name for name in ("state", "demo")} <= {*stopped}
    assert result.output.count("stopped ") == len(stopped)


@pytest.mark.usefixtures("services")
def test_down_on_nothing_is_fine() -> None:
    result = invoke("down")
    assert result.exit_code == 0
    assert result.output == "nothing was running\n"


@pytest.mark.usefixtures("settings")
def test_status_is_one_json_document() -> None:
    result = invoke("status", "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert json.loads(result.stdout) == {"platform": "local", "services": [], "endpoints": [], "prefect_url": None}
    assert invoke("status").output.startswith("nothing runs")


def test_an_unreadable_endpoint_is_told_without_a_traceback(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "running", lambda _: record.Record("up", 1, 0.0, settings.prefect_url, []))
    file = settings.state_dir / "endpoints" / "diabetes" / "prod.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    result = invoke("status")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {file} cannot be read")
