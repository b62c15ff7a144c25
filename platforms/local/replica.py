"""One process that serves an image on an inherited socket: started, kept alive, drained."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platforms.errors import NotReadyError, NotStartedError
from platforms.local import backoff, service_log
from platforms.local.pulse import Pulse
from scoring_service.exit_codes import SURROUNDINGS

LAST_LINES: Final = 20
SOON_SECONDS: Final = 10.0
"""A replica that dies earlier after its start waits before the next one."""
LONGEST_PAUSE_SECONDS: Final = 10.0
HUNG_SECONDS: Final = 30.0
"""A replica that gives no sign of life for so long is killed; in health it gives two a second."""
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
        self._pulse: Pulse | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The running process."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start and keep alive; raises `NotReadyError` with the last log lines if it is not ready in time.

        Raises `NotStartedError` if that was not the image's fault.
        """
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Drain and end; kill what has not ended after the drain time-out."""
        self.ready = False
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._end(signal.SIGTERM)
        self._forget_pulse()

    async def _spawn(self) -> None:
        self._forget_pulse()
        self._pulse = pulse = Pulse()
        try:
            with service_log.opened(self._log) as log:
                offset = log.tell()
                self._process = await self._execute(pulse.writer, log.fileno())
            pulse.close_writer()
            reason = await self._await_ready(pulse)
        except BaseException:
            pulse.close_writer()
            await asyncio.shield(self._end(signal.SIGKILL))
            raise
        if reason:
            await self._end(signal.SIGKILL)
            told = service_log.last_lines(self._log, offset, LAST_LINES)
            raise self._failure(f"replica {self.name} {reason}; its last lines in {self._log}:\n{told}")
        self.ready = True

    def _failure(self, told: str) -> NotReadyError:
        ended = self._process.returncode if self._process else None
        return NotStartedError(told) if ended == SURROUNDINGS else NotReadyError(told)

    def _forget_pulse(self) -> None:
        if self._pulse is not None:
            self._pulse.close()
            self._pulse = None

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

    async def _await_ready(self, pulse: Pulse) -> str:
        """Wait for the first sign of life; returns why it did not come, or nothing."""
        try:
            async with asyncio.timeout(self._launch.ready_timeout):
                return "" if await pulse.first() else "ended before it was ready"
        except TimeoutError:
            return f"was not ready after {self._launch.ready_timeout:g} s (RIDGELINE_READY_TIMEOUT)"

    async def _keep(self) -> None:
        """Start again whenever the process dies, later and later if it dies soon."""
        deaths = 0
        while True:
            started = time.monotonic()
            await self._wait()
            self.ready = False
            deaths = deaths + 1 if time.monotonic() - started < SOON_SECONDS else 0
            await asyncio.sleep(backoff.pause(deaths, 0.1, LONGEST_PAUSE_SECONDS) if deaths > 1 else 0)
            with suppress(Exception):  # Whatever it is, the next try may do.
                await self._spawn()

    async def _wait(self) -> None:
        """Return when the process has ended, killed if it hangs."""
        process, pulse = self._process, self._pulse
        while process is not None and process.returncode is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(HUNG_SECONDS / 10):
                    await process.wait()
            if process.returncode is None and pulse is not None and pulse.stale(HUNG_SECONDS):
                self._note(f"gave no sign of life for {HUNG_SECONDS:g} s and is killed")
                await self._end(signal.SIGKILL)

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

    def _note(self, line: str) -> None:
        # A full disk must not keep a replica from being started again.
        with suppress(OSError), service_log.opened(self._log) as log:
            log.write(f"replica {self.name} {line}\n".encode())
