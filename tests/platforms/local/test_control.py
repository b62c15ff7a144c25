from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import psutil
import pytest

from platforms.errors import PlatformError
from platforms.local import control, postgres, processes, record, services
from platforms.settings import ROOT, Settings
from tests.waiting import wait_for

SUPERVISOR = """
import os, signal, subprocess, sys, threading
from platforms.local import record, supervisor
from platforms.local.status import ServiceStatus
from platforms.settings import Settings
settings = Settings()
lock = supervisor._lock(settings)
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
mode = sys.argv[1]
record.write(settings, "starting", [ServiceStatus("server", child.pid, mode != "fail", None)])
if mode == "fail":
    child.kill()
    sys.exit("the server does not start")
record.write(settings, "up", [ServiceStatus("server", child.pid, True, None)])
signal.signal(signal.SIGTERM, lambda *_: (child.kill(), sys.exit()))
signal.pause()
"""


@pytest.fixture
def mode(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """How the supervisor in the tests, which starts nothing but a sleeper, fares."""
    chosen = ["well"]
    monkeypatch.setattr(control, "PROGRAM", (sys.executable, "-c", SUPERVISOR, *chosen))
    yield chosen
    control.stop(settings.state_dir)


def quiet(_: str) -> None:
    """Report nothing."""


@pytest.mark.usefixtures("mode")
def test_started_followed_and_stopped(settings: Settings) -> None:
    told: list[str] = []
    assert control.start(settings, told.append)
    assert told == ["server is up"]
    found = control.running(settings.state_dir)
    assert found
    assert control.start(settings, quiet) is False
    assert control.sweep(settings.state_dir) is False, "a live supervisor is left alone"
    assert control.stop(settings.state_dir)
    assert control.running(settings.state_dir) is None
    assert found.leftovers() == set()
    assert control.stop(settings.state_dir) is False


@pytest.mark.usefixtures("mode")
def test_two_at_once_start_one(settings: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: control.start(settings, quiet), range(2)))
    assert sorted(outcomes) == [False, True]


def test_a_failing_start_shows_the_logs_and_leaves_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PROGRAM", (sys.executable, "-c", SUPERVISOR, "fail"))
    log = services.log(settings, "server")
    log.parent.mkdir(parents=True)
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    with pytest.raises(PlatformError, match=r"(?s)the server does not start.*line 99") as raised:
        control.start(settings, quiet)
    assert "line 79" not in str(raised.value)
    assert processes.marked(settings.state_dir) == set()


@pytest.mark.long
@pytest.mark.usefixtures("mode")
def test_the_record_of_a_dead_supervisor_with_the_same_pid_tells_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = record.read

    def old(state: Path) -> record.Record | None:
        """Until the new one writes, what a supervisor wrote that had its pid before the machine was started again."""
        child = control._children.get(state)
        return real(state) or (record.Record("up", child.pid, 1.0, settings.prefect_url, []) if child else None)

    told: list[str] = []
    monkeypatch.setattr(record, "read", old)
    control.start(settings, told.append)
    assert told == ["server is up"]


def test_a_start_that_takes_too_long_is_ended(
    settings: Settings, mode: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mode
    monkeypatch.setattr(control, "START_TIMEOUT", 0.0)
    with pytest.raises(PlatformError, match="not healthy after 0 s"):
        control.start(settings, quiet)
    assert processes.marked(settings.state_dir) == set()


@pytest.mark.usefixtures("mode")
def test_what_a_killed_supervisor_left_is_ended_before_the_next_start(settings: Settings) -> None:
    control.start(settings, quiet)
    found = control.running(settings.state_dir)
    assert found
    left = found.services[0].status.pid
    assert left
    created = processes.created(left)
    psutil.Process(found.pid).kill()
    psutil.wait_procs([psutil.Process(found.pid)], 5)
    assert control.running(settings.state_dir) is None
    assert processes.find(left, created)
    assert control.start(settings, quiet)
    assert processes.find(left, created) is None


@pytest.mark.long
@pytest.mark.usefixtures("mode")
def test_a_supervisor_whose_record_is_gone_is_still_stopped(settings: Settings) -> None:
    control.start(settings, quiet)
    (settings.state_dir / "services.json").unlink()
    assert control.stop(settings.state_dir)
    assert processes.marked(settings.state_dir) == set()


@pytest.mark.usefixtures("mode")
def test_a_supervisor_that_ends_by_itself_is_noticed(settings: Settings) -> None:
    control.start(settings, quiet)
    found = control.running(settings.state_dir)
    assert found
    psutil.Process(found.pid).terminate()
    with pytest.raises(PlatformError, match="ended by itself"):
        control.follow(settings)


@pytest.mark.long
def test_adopting_makes_a_process_a_client(settings: Settings) -> None:
    code = (
        "import os, prefect.context\nfrom platforms.local import control, processes\n"
        "from platforms.settings import Settings\nfrom prefect.settings import PREFECT_API_URL\n"
        "control.adopt(Settings())\nprint(PREFECT_API_URL.value(), processes.MARKER in os.environ)"
    )
    settings.state_dir.mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{settings.prefect_url}/api False\n", done.stderr


def test_the_caller_s_files_are_not_held(settings: Settings, mode: list[str]) -> None:
    assert mode
    code = "from platforms.local import control\nfrom platforms.settings import Settings\n"
    code += f"control.PROGRAM = {control.PROGRAM!r}\ncontrol.start(Settings(), print)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "server is up\n"
    assert not done.stderr
    found = record.read(settings.state_dir)
    assert found
    assert found.supervisor()


def test_two_who_look_do_not_take_each_other_for_a_supervisor(settings: Settings) -> None:
    settings.state_dir.mkdir()
    (settings.state_dir / "supervisor.lock").touch()
    met, real = threading.Barrier(2), fcntl.flock

    def together(file: IO[str], operation: int) -> None:
        try:
            real(file, operation)
        finally:
            met.wait(10)

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(fcntl, "flock", together)
        assert list(pool.map(control.supervised, [settings.state_dir] * 2)) == [False, False]


def test_where_no_launcher_runs_modules_are_run_all_the_same(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    assert control.run(settings, "calendar", "2026", "11") == 0
    assert capfd.readouterr().out.splitlines()[0].strip() == "November 2026"
    assert control.run(settings, "calendar", "no year") == 2
    postgres.wipe(settings.state_dir)


def test_what_is_run_does_not_outlive_who_asked(settings: Settings) -> None:
    asking = """if True:
        from platforms.local import control
        from platforms.settings import Settings
        control.run(Settings(), "http.server", "0", "--bind", "127.0.0.1")
    """
    with subprocess.Popen([sys.executable, "-c", asking], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        asker = psutil.Process(process.pid)
        wait_for(asker.children)
        [running] = asker.children()
        process.kill()
    wait_for(lambda: not running.is_running() or processes.is_zombie(running))
    postgres.wipe(settings.state_dir)
