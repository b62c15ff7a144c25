"""Starting, watching and stopping a supervisor from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from filelock import FileLock

from platforms.errors import PlatformError
from platforms.local import (
    launch_client,
    ports,
    processes,
    record,
    service_log,
    services,
    sockets,
    supervisor_lock,
)
from platforms.settings import ROOT, Settings

PROGRAM = (sys.executable, "-m", "platforms.local.supervisor")
START_TIMEOUT = 180.0
STOP_TIMEOUT = 90.0
TAIL = 20

Report = Callable[[str], None]

_children: dict[Path, subprocess.Popen[bytes]] = {}
"""Supervisors that this process started: a parent has to wait for its children, however they end."""


def running(state: Path) -> record.Record | None:
    """The record of a state folder whose supervisor runs."""
    found = record.read(state)
    return found if found and found.supervisor() else None


def adopt(settings: Settings) -> None:
    """Make this process, and what it starts, a client of the services of these settings."""
    names = services.environment(settings)
    del names[processes.MARKER]
    os.environ.update(names)
    if prefect := sys.modules.get("prefect.context"):
        prefect.refresh_global_settings_context()


def python(settings: Settings) -> tuple[str, ...]:
    """How to run a module, named next, in a fork of the launcher; without a launcher, in a process of its own."""
    return launch_client.command(str(sockets.launcher(settings.state_dir)))


def run(settings: Settings, module: str, *arguments: str) -> int:
    """Run a module by the services' launcher, with the standard files of this process, which it does not outlive.

    Returns its exit code. What it imports is there already: in a process of its own it would take seconds.
    """
    command = [*python(settings), module, *arguments]
    # In a group of its own, because Ctrl-C is for this process to answer.
    return subprocess.run(command, cwd=ROOT, process_group=0, preexec_fn=processes.end_with_parent).returncode


def start(settings: Settings, report: Report, *, tied: bool = False) -> bool:
    """Start a supervisor in a session of its own and return when all services are healthy.

    A `tied` one ends with this process. Returns False if one was running already. Raises `PlatformError`, with
    nothing left running, if a port is taken or a service does not get healthy.
    """
    state = settings.state_dir
    state.mkdir(parents=True, exist_ok=True)
    with FileLock(state / "start.lock"):
        if supervised(state):
            return False
        end_leftovers(state)
        ports.require_free(settings)
        _bury(state)
        _children[state] = supervisor = _spawn(settings, ["--tied"] if tied else [])
        try:
            _await_healthy(settings, supervisor, report)
        except BaseException:
            stop(state)
            raise
    return True


def stop(state: Path) -> bool:
    """End the supervisor of a state folder and all that it started; False if there was nothing to end."""
    supervisors = _supervisors(state)
    processes.end(supervisors, STOP_TIMEOUT)
    _bury(state)
    return sweep(state) or bool(supervisors)


def follow(settings: Settings) -> None:
    """Wait until the supervisor is gone; raises `PlatformError`, because nobody asked it to go."""
    found = running(settings.state_dir)
    supervisor = found and found.supervisor()
    if supervisor:
        supervisor.wait()
    raise PlatformError(f"the supervisor ended by itself: {_why(settings)}")


def sweep(state: Path) -> bool:
    """End what a killed supervisor left behind; False if there was nothing. A live supervisor is left alone."""
    return False if supervised(state) else end_leftovers(state)


def end_leftovers(state: Path) -> bool:
    """`sweep` for the supervisor itself, which holds the lock already."""
    found = record.read(state)
    leftovers = (found.leftovers() if found else set()) | processes.marked(state)
    leftovers -= {psutil.Process(), *psutil.Process().parents()}
    processes.end_all(leftovers, 10)
    return bool(leftovers)


def _supervisors(state: Path) -> list[psutil.Process]:
    """The supervisor; if no record names it, the processes of this state folder that none of them started."""
    child = _children.get(state)
    if child and child.poll() is None:
        return [psutil.Process(child.pid)]
    found = record.read(state)
    if found and (supervisor := found.supervisor()):
        return [supervisor]
    if not supervised(state):
        return []
    ours = processes.marked(state)
    return [process for process, parent in processes.parents(ours) if parent not in ours]


def _bury(state: Path) -> None:
    if child := _children.pop(state, None):
        child.wait()


def supervised(state: Path) -> bool:
    """Whether a supervisor holds the lock of a state folder, also one that has not written its record yet."""
    file = state / "supervisor.lock"
    if not file.exists():
        return False
    with file.open("ab") as lock:
        return supervisor_lock.is_held(lock)


def _spawn(settings: Settings, options: list[str]) -> subprocess.Popen[bytes]:
    log = services.log(settings, "supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            [*PROGRAM, *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **services.environment(settings)},
            cwd=ROOT,
            start_new_session=True,
        )


def _await_healthy(settings: Settings, supervisor: subprocess.Popen[bytes], report: Report) -> None:
    told: set[str] = set()
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        found = record.read(settings.state_dir)
        if supervisor.poll() is not None:
            raise PlatformError(_why(settings))
        # In a container that was started again, a dead supervisor's record may have the pid of the new one.
        if found and found.pid == supervisor.pid and found.supervisor():
            for name in [e.status.name for e in found.services if e.status.healthy and e.status.name not in told]:
                told.add(name)
                report(f"{name} is up")
            if found.phase == "up":
                return
        time.sleep(0.1)
    raise PlatformError(f"the services were not healthy after {START_TIMEOUT:.0f} s: {_why(settings)}")


def _why(settings: Settings) -> str:
    """The supervisor's last words and those of the services that are not healthy."""
    found = record.read(settings.state_dir)
    names = [entry.status.name for entry in found.services if not entry.status.healthy] if found else []
    logs = [services.log(settings, name) for name in ("supervisor", *names)]
    return "\n".join(f"{log}:\n{service_log.last_lines(log, 0, TAIL)}" for log in logs if log.exists())
