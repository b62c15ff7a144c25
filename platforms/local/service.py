"""One supervised process: started, watched, started again when it dies or hangs, and ended at last."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from platforms.local import backoff, forks, processes, service_log
from platforms.local.accounts import Account
from platforms.local.status import ServiceStatus

CHECK_TIMEOUT = 5.0
PATIENCE = 5
"""How many checks in a row a healthy service may miss before it counts as hung and is killed."""
STEADY = 10.0
"""Seconds that a service must have lived for its death not to count as one in a row."""
START_TIMEOUT = 120.0
"""Seconds that a service may take to become healthy."""


async def always() -> bool:
    """The check of a service that is healthy while it runs."""
    return True


@dataclass(frozen=True)
class Spec:
    """What a service is. `check` tells whether it answers; `prepare` runs before each start, in a thread.

    If a launcher answers at the socket `launcher`, what `command` names after `python -m` runs in a fork of it, which
    has the libraries at once.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    url: str | None = None
    directory: Path = Path("/")
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    check: Callable[[], Awaitable[bool]] = always
    prepare: Callable[[], None] = lambda: None
    launcher: Path | None = None


@dataclass
class Service:
    """A `Spec` and its process. `failures` counts the lives in a row that ended early or were never healthy."""

    spec: Spec
    healthy: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    _process: asyncio.subprocess.Process | forks.Fork | None = None

    @property
    def pid(self) -> int | None:
        """The running process, None between two lives."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    def status(self) -> ServiceStatus:
        """What is known of it now."""
        pid = self.pid
        return ServiceStatus(self.spec.name, pid, pid is not None and self.healthy.is_set(), self.spec.url)

    async def keep(self) -> None:
        """Start it, and again whenever it is gone, ever more slowly while it dies early."""
        while True:
            started = time.monotonic()
            try:
                await self._live()
            except Exception as error:  # Whatever it is, the next try may do.
                self._note(f"cannot start: {error}")
            steady = self.healthy.is_set() and time.monotonic() - started > STEADY
            self.failures = 0 if steady else self.failures + 1
            self.healthy.clear()
            await asyncio.sleep(backoff.pause(self.failures, 0.2, 10.0))

    async def stop(self) -> None:
        """End the process, and kill what is left of its group."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.spec.stop_signal)
            process.send_signal(signal.SIGCONT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.spec.grace):
                await process.wait()
        processes.kill_group(process.pid)
        await process.wait()

    async def _live(self) -> None:
        await asyncio.to_thread(self.spec.prepare)
        self._process = process = await self._start()
        watch = asyncio.create_task(self._watch(process.pid))
        try:
            await process.wait()
        finally:
            watch.cancel()
        self._note(f"ended with code {process.returncode}")

    async def _start(self) -> asyncio.subprocess.Process | forks.Fork:
        with service_log.opened(self.spec.log) as log:
            return await self._fork(log) or await self._spawn(log)

    async def _fork(self, log: IO[bytes]) -> forks.Fork | None:
        spec = self.spec
        if spec.launcher is None:
            return None
        return await forks.start(spec.launcher, spec.command[2:], spec.environment, spec.directory, log.fileno())

    async def _spawn(self, log: IO[bytes]) -> asyncio.subprocess.Process:
        account = self.spec.account
        return await asyncio.create_subprocess_exec(
            *self.spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(self.spec.environment),
            cwd=self.spec.directory,
            # A group is ended as one. All are in one session, because sessions are scheduled against each other.
            process_group=0,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    async def _watch(self, pid: int) -> None:
        started, missed = time.monotonic(), 0
        while missed < PATIENCE:
            if await self._answers():
                self.healthy.set()
                missed = 0
            elif self.healthy.is_set():
                missed += 1
            elif time.monotonic() - started > START_TIMEOUT:
                break
            await asyncio.sleep(1.0 if self.healthy.is_set() else 0.1)
        self._note("does not answer and is killed")
        processes.kill_group(pid)

    async def _answers(self) -> bool:
        with contextlib.suppress(Exception):  # Whatever it is, it is no answer.
            async with asyncio.timeout(CHECK_TIMEOUT):
                return await self.spec.check()
        return False

    def _note(self, text: str) -> None:
        """Say it in the service's log; a full disk must not end who keeps the service."""
        with contextlib.suppress(OSError), service_log.opened(self.spec.log) as log:
            log.write(f"--- {self.spec.name} {text}\n".encode())
