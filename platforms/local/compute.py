"""Training jobs as processes on this machine.

A job has a folder `<state>/jobs/<name>/` with `log.txt`, `outputs/` and a `lock` that the job's own process holds, as
its standard input, while it lives. Whoever runs a job of that name follows its log: the one that started it, one that
comes later, and one that comes after the first was killed. `outputs/result.json` says that the job is done; then
nothing is started.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from platforms import jobs, names
from platforms.errors import JobFailedError
from platforms.lines import Lines, unheard
from platforms.local import files, launch_client, processes
from platforms.usage import Usage
from platforms.values import TrainingJob

_LIMITS: Final = "platforms.local.job_limits"
_SCRIPT: Final = str(Path(__file__).with_name("job_limits.py"))
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_POLL: Final = 0.05
_GRACE: Final = 5.0
_MEMORY_SIGNS: Final = (
    "MemoryError",
    "bad_alloc",
    "Cannot allocate memory",
    "Unable to allocate",
    "memory allocation",
)


class LocalCompute:
    """The compute port: `python -m training` in `root`, at most `timeout` seconds and `memory_mb` MiB each.

    Where a launcher answers at the socket `launcher`, each is a fork of it, which has imported most of what it needs.
    """

    def __init__(self, state: Path, root: Path, timeout: float, memory_mb: int, launcher: str | None = None) -> None:
        self._state = state
        self._launcher = launcher
        self._root = root
        self._timeout = timeout
        self._memory_mb = memory_mb

    def run(
        self, job: TrainingJob, on_line: Callable[[str], None], on_status: Callable[[str], None] = unheard
    ) -> Path:
        """Run the job, or attach to the running or finished one of that name; every log line goes to `on_line`.

        A job begins at once, so `on_status` hears nothing.

        Returns:
            The folder with the job's outputs.

        Raises:
            JobFailedError: The job ended without a result; the message ends with its last lines.
        """
        folder = _Folder(self._state / "jobs" / names.checked("job", job.name))
        folder.path.mkdir(parents=True, exist_ok=True)
        log = _Log(folder.log, on_line)
        reason: str | None
        lock = folder.try_lock()
        if lock is None:
            reason = self._attach(folder, log)
        else:
            try:
                reason = None if folder.finished else self._execute(job, folder, log, lock)
            finally:
                os.close(lock)
        log.drain(to_end=True)
        if folder.finished:
            folder.note_usage()
            return folder.outputs
        raise self._failure(job, folder, log, reason)

    def _execute(self, job: TrainingJob, folder: _Folder, log: _Log, lock: int) -> str:
        """Start the job and follow it to its end; returns how it ended."""
        shutil.rmtree(folder.outputs, ignore_errors=True)
        with folder.log.open("wb") as sink:
            process = subprocess.Popen(
                self._command(job, folder),
                stdin=lock,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=self._root,
                env={**os.environ, "RIDGELINE_STATE": str(self._state), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        try:
            folder.record(process.pid)
            return self._ending(self._follow(process, log))
        finally:
            processes.kill_group(process.pid)
            process.wait()

    def _follow(self, process: subprocess.Popen[bytes], log: _Log) -> int:
        deadline = time.monotonic() + self._timeout + _GRACE
        while time.monotonic() < deadline:
            try:
                return process.wait(_POLL)
            except subprocess.TimeoutExpired:
                log.drain()
        return -signal.SIGALRM

    def _attach(self, folder: _Folder, log: _Log) -> str:
        """Follow a job that somebody else started, until its lock is free."""
        try:
            while (lock := folder.try_lock()) is None:
                log.drain()
                time.sleep(_POLL)
            os.close(lock)
        except BaseException:
            folder.kill()
            raise
        return "it was started by another run and ended without a result"

    def _command(self, job: TrainingJob, folder: _Folder) -> list[str]:
        python = [sys.executable, _SCRIPT]
        # The launcher has loaded its libraries for one thread. So have jobs, unless somebody says otherwise.
        if self._launcher and {os.environ.get(name, "1") for name in _THREADS} == {"1"}:
            python = [*launch_client.command(self._launcher), _LIMITS]
        limits = [str(self._memory_mb), str(self._timeout)]
        return [*python, *limits, "training", *jobs.arguments(job), "--out", str(folder.outputs)]

    def _ending(self, code: int) -> str:
        if code == -signal.SIGALRM:
            return f"it ran longer than {self._timeout:g} s (RIDGELINE_JOB_TIMEOUT)"
        if code < 0:
            return f"it was killed by {signal.Signals(-code).name}"
        return f"it ended with exit code {code}"

    def _failure(self, job: TrainingJob, folder: _Folder, log: _Log, reason: str | None) -> JobFailedError:
        hint = ""
        if any(sign in line for line in log.lines.last for sign in _MEMORY_SIGNS):
            hint = f"; its memory limit is {self._memory_mb} MiB (RIDGELINE_JOB_MEMORY_MB)"
        return jobs.failure(job, f"{reason}{hint}", folder.log, log.lines)


class _Process(TypedDict):
    """The job's process; `created` in seconds since 1970 tells a reused pid."""

    pid: int
    created: float


@dataclass(frozen=True)
class _Folder:
    """The files of one job."""

    path: Path

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def outputs(self) -> Path:
        return self.path / "outputs"

    @property
    def finished(self) -> bool:
        return (self.outputs / jobs.RESULT).is_file()

    def try_lock(self) -> int | None:
        """An open file that holds the job's lock, or None if a job runs; a job inherits it and keeps it held."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def note_usage(self) -> None:
        """Note how long the job took; here it waits for nothing and costs nothing."""
        if note := self._process():
            ended = (self.outputs / jobs.RESULT).stat().st_mtime
            Usage(0.0, round(ended - note["created"], 3), None, "").write(self.outputs)

    def record(self, pid: int) -> None:
        """Note the job's process, so that whoever attaches can end it."""
        note = _Process(pid=pid, created=processes.created(pid))
        files.write(self.path / "process.json", lambda file: file.write(json.dumps(note).encode()))

    def kill(self) -> None:
        """End the noted process, if it is still the same."""
        if (note := self._process()) and processes.find(note["pid"], note["created"]):
            processes.kill_group(note["pid"])

    def _process(self) -> _Process | None:
        try:
            found: _Process = json.loads((self.path / "process.json").read_bytes())
        except FileNotFoundError:
            return None
        return found


class _Log:
    """A growing log file, read from where the last look ended."""

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        self._path = path
        self._offset = 0
        self.lines = Lines(on_line)

    def drain(self, to_end: bool = False) -> None:
        """Hand on the lines that came since; at the end also one without its newline."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        self._offset += len(content)
        self.lines.feed(content)
        if to_end:
            self.lines.end()
