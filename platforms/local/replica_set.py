"""The replicas of one endpoint on one listening socket.

A replacement starts the whole new set first; only when all of it is ready is the old one drained. A set that does
not become ready is ended, and nobody notices.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

from platforms import scoring_settings
from platforms.errors import NotReadyError, NotStartedError, PlatformError
from platforms.local.endpoint_files import Desired, Observed, State, write
from platforms.local.endpoint_ports import listen
from platforms.local.replica import Launch, Replica
from platforms.local.status import ServiceStatus
from platforms.local.traffic import traffic_root
from platforms.settings import Settings
from platforms.values import EndpointSpec, Environment, key_secret

RETRY_SECONDS: Final = 0.1
BIND_SECONDS: Final = 3.0
"""How long replicas of a killed supervisor may take to let go of the port."""
INHERITED: Final = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "RIDGELINE_SUPERVISED", "TMPDIR", "TZ")

Locate: TypeAlias = Callable[[str], tuple[Path, Path]]
"""Context folder and python of the image with this name."""


class ReplicaSet:
    """The replicas of one endpoint."""

    def __init__(self, settings: Settings, locate: Locate, observed_file: Path, alive: int) -> None:
        self._settings = settings
        self._locate = locate
        self._file = observed_file
        self._alive = alive
        self._wanted: Desired | None = None
        self._changed = asyncio.Event()
        self._listener: socket.socket | None = None
        self._port = 0
        self._served: EndpointSpec | None = None
        self._replicas: list[Replica] = []
        self._fate: tuple[str, State, str] | None = None
        self._reported: Observed | None = None
        self._task = asyncio.create_task(self._follow())

    def want(self, desired: Desired | None) -> None:
        """Take the newest wish; None is to serve nothing."""
        self._wanted = desired
        self._changed.set()

    def services(self) -> list[ServiceStatus]:
        """One status per replica."""
        base = self._settings.url(self._port)
        return [ServiceStatus(replica.name, replica.pid, replica.ready, base) for replica in self._replicas]

    def report(self) -> None:
        """Write the status if it changed."""
        observed = None
        if self._fate is not None:
            generation, state, message = self._fate
            ready = sum(replica.ready for replica in self._replicas)
            if state == "ready" and ready < len(self._replicas):
                state = "starting"  # again, after a replica died
            observed = Observed(generation, state, self._served, ready, message)
        if observed == self._reported:
            return
        try:
            self._write(observed)
        except OSError as error:
            # A full disk must not end what serves: the next report tries again.
            print(f"{self._file} cannot be written: {error.strerror}", file=sys.stderr)
        else:
            self._reported = observed

    def _write(self, observed: Observed | None) -> None:
        if observed is None:
            self._file.unlink(missing_ok=True)
        else:
            write(self._file, observed)

    async def stop(self) -> None:
        """End everything that runs for this endpoint."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._clear()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            desired = self._wanted
            if desired is None:
                await self._clear()
                self._fate = None
            else:
                await self._fulfil(desired)
            self.report()

    async def _fulfil(self, desired: Desired) -> None:
        self._fate = desired.generation, "starting", ""
        self.report()
        try:
            await self._listen(desired)
            if self._served != desired.spec:
                await self._replace(desired.spec)
            self._fate = desired.generation, "ready", ""
        except Exception as error:  # Whatever it is, the next wish may be fulfilled.
            ran = isinstance(error, NotReadyError) and not isinstance(error, NotStartedError)
            self._fate = desired.generation, "failed" if ran else "unstarted", str(error)
            if self._served is None:
                await self._clear()

    async def _listen(self, desired: Desired) -> None:
        """Have the socket of the wished port; a port that was changed takes the replicas of the old one along."""
        if self._listener is not None and self._port != desired.port:
            await self._clear()
        end = time.monotonic() + BIND_SECONDS
        while self._listener is None:
            try:
                self._listener, self._port = listen(self._settings.host, desired.port), desired.port
            except OSError as error:
                if time.monotonic() > end:
                    raise PlatformError(self._taken(desired, error)) from error
                await asyncio.sleep(RETRY_SECONDS)

    def _taken(self, desired: Desired, error: OSError) -> str:
        setting = f"RIDGELINE_{desired.spec.environment.upper()}_PORT"
        return (
            f"cannot listen on {self._settings.host}, port {desired.port}: {error.strerror}; "
            f"end what uses it or set {setting}"
        )

    async def _replace(self, spec: EndpointSpec) -> None:
        launch = await self._launch(spec)
        count = self._settings.prod_replicas if spec.environment == "prod" else 1
        names = [f"{spec.environment}-{spec.recipe}-{index}" for index in range(count)]
        logs = self._settings.state_dir / "logs" / "services"
        new = [Replica(name, launch, logs / f"{name}.log") for name in names]
        try:
            await _all_ready(new)
        except BaseException:
            await asyncio.gather(*(replica.stop() for replica in new))
            raise
        old, self._replicas, self._served = self._replicas, new, spec
        await asyncio.gather(*(replica.stop() for replica in old))

    async def _launch(self, spec: EndpointSpec) -> Launch:
        settings = self._settings
        if self._listener is None:
            raise PlatformError(f"{spec.environment} endpoint of {spec.recipe} has no socket")
        context, python = await asyncio.to_thread(self._locate, spec.image.name)
        return Launch(
            python=python,
            context=context,
            environment=_environment(settings, spec),
            listener=self._listener.fileno(),
            alive=self._alive,
            ready_timeout=settings.ready_timeout,
            drain_timeout=settings.drain_timeout,
        )

    async def _clear(self) -> None:
        old, self._replicas, self._served = self._replicas, [], None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await asyncio.gather(*(replica.stop() for replica in old))


async def _all_ready(replicas: Iterable[Replica]) -> None:
    """Start all; raises the first failure when each has either succeeded or failed."""
    results = await asyncio.gather(*(replica.start() for replica in replicas), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def traffic_folder(settings: Settings, recipe: str, environment: Environment) -> Path:
    """Where the replicas of an endpoint log their requests, one file of JSON lines per process."""
    return traffic_root(settings) / recipe / environment


def _environment(settings: Settings, spec: EndpointSpec) -> dict[str, str]:
    """What a replica sees: its own settings, those that stand in our environment too, one thread for arithmetic."""
    return {
        **{name: value for name, value in os.environ.items() if name in INHERITED},
        **scoring_settings.to_hand_on(),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "SCORING_MODEL_VERSION": str(spec.model_version),
        "SCORING_IMAGE_DIGEST": spec.image.digest,
        "SCORING_ENVIRONMENT": spec.environment,
        "SCORING_KEYS_FILE": str(settings.state_dir / "secrets" / key_secret(spec.recipe, spec.environment)),
        "SCORING_LOG_DIR": str(traffic_folder(settings, spec.recipe, spec.environment)),
        "SCORING_DRAIN_SECONDS": str(settings.drain_timeout),
    }
