"""One process that serves an image on an inherited socket: started, kept alive, drained."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platforms.errors import NotReadyError, NotStartedError

LAST_LINES: Final = 20
SOON_SECONDS: Final = 10.0
"""A replica that dies earlier after its start waits before the next one."""
LONGEST_PAUSE_SECONDS: Final = 10.0
KILL_SECONDS: Final = 1.0
"""How much later than its drain time-out a replica is killed."""


@dataclass(frozen=True)
class Launch:
    """How the replicas of one endpoint and image start. `listener` and `alive` are descriptors they inherit."""

    python: Path
    context: Path
    environment: Mapping[str, str]
    listener: int
    alive: int
    ready_timeout: float
    drain_timeout: float


class Replica:
    """A replica and its restarts."""

    def __init__(self, name: str, launch: Launch, log: Path) -> None:
        self.name = name
        self.ready = False
        self._launch = launch
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The running process."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start and keep alive; raises `NotReadyError` with the last log lines if it is not ready in time."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Drain and end; kill what has not ended after the drain time-out."""
        self.ready = False
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._end(signal.SIGTERM)

    async def _spawn(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        ready, child = os.pipe()
        try:
            with self._log.open("ab") as log:
                offset = log.tell()
                self._process = await self._execute(child, log.fileno())
            os.close(child)
            child = -1
            reason = await self._await_ready(ready)
        except BaseException:
            await asyncio.shield(self._end(signal.SIGKILL))
            raise
        finally:
            os.close(ready)
            if child >= 0:
                os.close(child)
        if reason:
            await self._end(signal.SIGKILL)
            raise NotReadyError(f"replica {self.name} {reason}; its last lines in {self._log}:\n{self._tail(offset)}")
        self.ready = True

    async def _execute(self, ready: int, log: int) -> asyncio.subprocess.Process:
        launch = self._launch
        descriptors = {"LISTEN_FD": launch.listener, "READY_FD": ready, "ALIVE_FD": launch.alive}
        try:
            return await asyncio.create_subprocess_exec(
                str(launch.python),
                "-m",
                "scoring_service",
                cwd=launch.context,
                env={**launch.environment, **{f"SCORING_{name}": str(fd) for name, fd in descriptors.items()}},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=tuple(descriptors.values()),
                # In the shipper's session, which stands back for what is in it.
                process_group=0,
            )
        except OSError as error:
            raise NotStartedError(f"replica {self.name} cannot start {launch.python}: {error}") from error

    async def _await_ready(self, descriptor: int) -> str:
        """Wait for the ready byte; returns why it did not come, or nothing."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, _settle, answer)
        try:
            async with asyncio.timeout(self._launch.ready_timeout):
                await answer
        except TimeoutError:
            return f"was not ready after {self._launch.ready_timeout:g} s (RIDGELINE_READY_TIMEOUT)"
        finally:
            loop.remove_reader(descriptor)
        return "" if os.read(descriptor, 1) else "ended before it was ready"

    async def _keep(self) -> None:
        """Start again whenever the process dies, later and later if it dies soon."""
        deaths = 0
        while True:
            started = time.monotonic()
            await self._wait()
            self.ready = False
            deaths = deaths + 1 if time.monotonic() - started < SOON_SECONDS else 0
            await asyncio.sleep(min(0.1 * 2**deaths, LONGEST_PAUSE_SECONDS) if deaths > 1 else 0)
            with suppress(Exception):  # Whatever it is, the next try may do.
                await self._spawn()

    async def _wait(self) -> None:
        if self._process is not None:
            await self._process.wait()

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(self._launch.drain_timeout + KILL_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _tail(self, offset: int) -> str:
        lines = self._log.read_bytes()[offset:].decode(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])


def _settle(answer: asyncio.Future[None]) -> None:
    if not answer.done():
        answer.set_result(None)
