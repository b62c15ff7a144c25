from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from platforms.local import processes

STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_reused_pid_is_not_the_same_process(sleeper: subprocess.Popen[bytes]) -> None:
    created = processes.created(sleeper.pid)
    found = processes.find(sleeper.pid, created)
    assert found
    assert found.pid == sleeper.pid
    assert processes.find(sleeper.pid, created - 5) is None


def test_an_ended_process_is_not_found(sleeper: subprocess.Popen[bytes]) -> None:
    created = processes.created(sleeper.pid)
    sleeper.kill()
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert processes.find(sleeper.pid, created) is None
    sleeper.wait()
    assert processes.created(sleeper.pid) == 0.0


def test_only_what_carries_the_marker_is_ours(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    environment = {**os.environ, processes.MARKER: str(tmp_path)}
    with subprocess.Popen(["sleep", "60"], env=environment) as ours:
        assert [process.pid for process in processes.marked(tmp_path)] == [ours.pid]
        assert processes.marked(tmp_path / "other") == set()
        ours.kill()


def test_what_does_not_listen_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        processes.end_all([psutil.Process(process.pid)], 0.2)
        assert not psutil.pid_exists(process.pid) or process.poll() is not None


def test_a_stopped_process_ends_too(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    processes.end(processes.tree([psutil.Process(sleeper.pid)]), 5)
    assert sleeper.wait() in (-signal.SIGTERM, 0)


def test_the_tree_holds_grandchildren() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as shell:
        root = psutil.Process(shell.pid)
        while not root.children():
            pass
        assert len(processes.tree([root])) == 2
        processes.end(processes.tree([root]), 5)


def test_a_process_that_has_just_ended_has_no_parent_to_ask_for(sleeper: subprocess.Popen[bytes]) -> None:
    ended, me = psutil.Process(sleeper.pid), psutil.Process()
    assert list(processes.parents([ended])) == [(ended, me)]
    sleeper.kill()
    sleeper.wait()
    assert list(processes.parents([ended])) == []


def test_killing_a_group_that_is_gone_is_no_error(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    processes.kill_group(sleeper.pid)


def test_an_ended_process_that_nobody_buries_is_not_waited_for() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & exec sleep 60"]) as careless:
        while not (children := psutil.Process(careless.pid).children()):
            pass
        processes.end(children, grace=3600)
        assert [child.status() for child in children] == [psutil.STATUS_ZOMBIE]
        careless.kill()
