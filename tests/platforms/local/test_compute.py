from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from platforms.errors import JobFailedError, PlatformError
from platforms.local.compute import LocalCompute
from platforms.usage import Usage
from platforms.values import TrainingJob
from tests.platforms.local.launching import folder as folder
from tests.platforms.local.launching import server as server

JOB = TrainingJob("r-1", "r", 7, {"alpha": 0.4, "warm": True})

TRAINING = """
import json, os, pathlib, signal, subprocess, sys, time
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.mkdir(parents=True)
print("started", os.getpid(), *sys.argv[1:])
def finish():
    (out / "result.json").write_text("{}")
def wait_for(name):
    while not pathlib.Path(os.environ["RIDGELINE_STATE"], name).exists():
        time.sleep(0.01)
"""


@pytest.fixture(params=["alone", "forked"])
def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The socket of a launcher, or none."""
    if request.param == "alone":
        return None
    request.getfixturevalue("server")
    return str(tmp_path / "l.sock")


def compute(
    tmp_path: Path, body: str, timeout: float = 30, memory_mb: int = 1024, launcher: str | None = None
) -> LocalCompute:
    """A compute whose `python -m training` is the given program."""
    (tmp_path / "root" / "training").mkdir(parents=True, exist_ok=True)
    (tmp_path / "root" / "training" / "__init__.py").touch()
    (tmp_path / "root" / "training" / "__main__.py").write_text(TRAINING + body)
    (tmp_path / "state").mkdir(exist_ok=True)
    return LocalCompute(tmp_path / "state", tmp_path / "root", timeout, memory_mb, launcher)


def started_pid(lines: list[str]) -> int:
    return int(lines[0].split()[1])


def going(tmp_path: Path, lines: list[str]) -> Callable[[str], None]:
    """Keeps the lines, and lets the job go on when the first one comes."""

    def on_line(line: str) -> None:
        lines.append(line)
        (tmp_path / "state" / "go").touch()

    return on_line


def until_gone(pid: int) -> None:
    for _ in range(500):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")


def test_a_job_runs_once_and_tells_its_lines_each_time(tmp_path: Path, launcher: str | None) -> None:
    lines: list[str] = []
    local = compute(
        tmp_path, "print('fitted', file=sys.stderr); finish(); print('é no newline', end='')", launcher=launcher
    )
    outputs = local.run(JOB, lines.append)
    assert (outputs / "result.json").exists()
    assert lines[0].endswith(f"--recipe r --dataset-version 7 --param=alpha=0.4 --param=warm=True --out {outputs}")
    assert lines[1:] == ["fitted", "é no newline"]
    usage = Usage.read(outputs)
    assert usage
    assert 0 < usage.node_seconds < 30
    again: list[str] = []
    assert local.run(JOB, again.append) == outputs
    assert again == lines


def test_lines_come_while_the_job_runs(tmp_path: Path, launcher: str | None) -> None:
    go = tmp_path / "state" / "go"
    local = compute(tmp_path, "wait_for('go'); finish()", launcher=launcher)
    local.run(JOB, lambda line: go.touch())
    assert go.exists()


def test_a_failed_job_tells_its_last_lines_and_can_run_again(tmp_path: Path) -> None:
    body = "(out / 'stale').touch(); [print('line', n) for n in range(50)]; raise ValueError('bad alpha')"
    with pytest.raises(JobFailedError) as caught:
        compute(tmp_path, body).run(JOB, lambda line: None)
    message = str(caught.value)
    assert message.startswith("training job r-1 failed: it ended with exit code 1. Last lines of ")
    assert message.endswith("ValueError: bad alpha")
    assert len(message.splitlines()) == 21
    assert not (compute(tmp_path, "finish()").run(JOB, lambda line: None) / "stale").exists()


def test_exit_without_a_result_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(JobFailedError, match="exit code 0"):
        compute(tmp_path, "").run(JOB, lambda line: None)


def test_a_signal_is_named(tmp_path: Path, launcher: str | None) -> None:
    with pytest.raises(JobFailedError, match="killed by SIGKILL"):
        compute(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)", launcher=launcher).run(JOB, lambda line: None)


def test_a_job_that_takes_too_long_is_ended(tmp_path: Path, launcher: str | None) -> None:
    lines: list[str] = []
    with pytest.raises(JobFailedError, match=r"ran longer than 0\.7 s \(RIDGELINE_JOB_TIMEOUT\)"):
        compute(tmp_path, "time.sleep(60)", timeout=0.7, launcher=launcher).run(JOB, lines.append)
    until_gone(started_pid(lines))


def test_a_job_that_ignores_its_alarm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platforms.local.compute._GRACE", 0.2)
    lines: list[str] = []
    body = "signal.signal(signal.SIGALRM, signal.SIG_IGN); time.sleep(60)"
    with pytest.raises(JobFailedError, match="ran longer"):
        compute(tmp_path, body, timeout=0.7).run(JOB, lines.append)
    until_gone(started_pid(lines))


def test_the_memory_limit_holds_and_is_named(tmp_path: Path, launcher: str | None) -> None:
    with pytest.raises(JobFailedError, match=r"memory limit is 256 MiB \(RIDGELINE_JOB_MEMORY_MB\)"):
        compute(tmp_path, "bytearray(2**29); finish()", memory_mb=256, launcher=launcher).run(JOB, lambda line: None)


def test_an_exception_of_the_caller_ends_the_job_and_its_children(tmp_path: Path, launcher: str | None) -> None:
    body = "child = subprocess.Popen(['sleep', '60']); print('child', child.pid); time.sleep(60)"
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if line.startswith("child"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute(tmp_path, body, launcher=launcher).run(JOB, stop)
    until_gone(started_pid(lines))
    until_gone(int(lines[1].split()[1]))


def test_a_second_caller_attaches_to_the_running_job(tmp_path: Path) -> None:
    local = compute(tmp_path, "wait_for('go'); print('done'); finish()")
    seen: list[list[str]] = [[], []]
    first = threading.Thread(target=local.run, args=(JOB, seen[0].append))
    first.start()
    while not seen[0]:
        time.sleep(0.01)
    local.run(JOB, going(tmp_path, seen[1]))
    first.join()
    assert seen[0] == seen[1]
    assert seen[1][-1] == "done"


CALLER = """
import sys
from pathlib import Path
from platforms.local.compute import LocalCompute
from platforms.values import TrainingJob
job = TrainingJob("r-1", "r", 7, {"alpha": 0.4})
local = LocalCompute(Path(sys.argv[1], "state"), Path(sys.argv[1], "root"), 30, 1024, *sys.argv[2:])
local.run(job, lambda line: print(line, flush=True))
"""


def killed_caller(tmp_path: Path, launcher: str | None = None) -> int:
    """Start a job, kill -9 the one that started it; returns the pid of the job, which goes on."""
    command = [sys.executable, "-c", CALLER, str(tmp_path), *([launcher] if launcher else [])]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout
        pid = started_pid([caller.stdout.readline()])
        caller.kill()
    return pid


def test_a_job_outlives_its_killed_caller_and_is_attached_to(tmp_path: Path, launcher: str | None) -> None:
    local = compute(tmp_path, "wait_for('go'); finish()", launcher=launcher)
    pid = killed_caller(tmp_path, launcher)
    lines: list[str] = []
    local.run(JOB, going(tmp_path, lines))
    assert started_pid(lines) == pid


def test_a_job_that_fails_after_its_caller_was_killed_is_a_failure(tmp_path: Path) -> None:
    local = compute(tmp_path, "wait_for('go'); raise ValueError('late')")
    killed_caller(tmp_path)
    with pytest.raises(JobFailedError, match=r"started by another run and ended without a result(?s:.*)late"):
        local.run(JOB, lambda line: (tmp_path / "state" / "go").touch())


def test_an_exception_of_an_attached_caller_ends_the_job_too(tmp_path: Path) -> None:
    local = compute(tmp_path, "wait_for('go'); finish()")
    pid = killed_caller(tmp_path)

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.run(JOB, stop)
    until_gone(pid)


def test_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    local = compute(tmp_path, "wait_for('go'); finish()")
    pid = killed_caller(tmp_path)
    note = tmp_path / "state" / "jobs" / "r-1" / "process.json"
    note.write_text(json.dumps({"pid": os.getpid(), "created": 1.0}))

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.run(JOB, stop)
    note.unlink()
    with pytest.raises(KeyboardInterrupt):
        local.run(JOB, stop)
    os.kill(pid, signal.SIGKILL)
    until_gone(pid)


def test_names_that_are_no_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"job '\.\./x' is no valid name"):
        compute(tmp_path, "").run(TrainingJob("../x", "r", 1, {}), lambda line: None)


def test_who_wants_more_threads_than_the_launcher_has_gets_a_process_of_its_own(
    tmp_path: Path, server: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents: dict[str, int] = {}
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        local = compute(tmp_path, "print(os.getppid()); finish()", launcher=str(tmp_path / "l.sock"))
        job = TrainingJob(f"threads-{threads}", "r", 7, {})
        lines: list[str] = []
        local.run(job, lines.append)
        parents[threads] = int(lines[1])
    assert parents["1"] == server.pid
    assert parents["2"] == os.getpid()
