"""The supervisor: starts the services of a state folder, keeps them running, and ends them in order.

One per state folder. What it knows stands in `services.json`; what it is told is SIGTERM. It is the reaper of all its
descendants: a flow run whose worker was killed becomes its child and is still found when everything has to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import IO

import psutil

from platforms import selection
from platforms.errors import PlatformError
from platforms.local import control, processes, record, releases, services, supervisor_lock
from platforms.local.replicas import ReplicaSets
from platforms.local.service import Service
from platforms.settings import Settings

HOPELESS = 3
"""After how many failed starts in a row the first start of everything is given up."""


@dataclass
class Supervisor:
    """All services of one state folder."""

    settings: Settings
    replicas: ReplicaSets
    phase: record.Phase = "starting"
    _services: list[Service] = field(default_factory=list)
    _keepers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _strangers: list[psutil.Process] = field(default_factory=lambda: psutil.Process().children())

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; raises `PlatformError` if a service cannot be brought up at first."""
        reporter = asyncio.create_task(self._report())
        try:
            await self._until(stop)
            self.phase = "stopping"
        except BaseException:
            self.phase = "failed"
            raise
        finally:
            reporter.cancel()
            self._write()
            await self._end()

    async def _until(self, stop: asyncio.Event) -> None:
        waiting = asyncio.create_task(stop.wait())
        self._endpoints = asyncio.create_task(self.replicas.run())
        boot = asyncio.create_task(self._boot())
        try:
            await asyncio.wait({boot, waiting, self._endpoints}, return_when=asyncio.FIRST_COMPLETED)
            if boot.done():
                await boot
                self.phase = "up"
                await asyncio.wait({waiting, self._endpoints}, return_when=asyncio.FIRST_COMPLETED)
            if self._endpoints.done():
                await self._endpoints
        finally:
            boot.cancel()
            waiting.cancel()
            # Who is still booting would start services that nobody ends.
            await asyncio.wait({boot, waiting})

    async def _boot(self) -> None:
        url, database = await asyncio.to_thread(services.database, self.settings)
        if database:
            await self._healthy(self._keep(Service(database)))
        server = services.server(self.settings, url)
        # Each is a fork of the launcher, which has imported what it needs by the time that those before it are there.
        for specs in (services.others(self.settings), [server], services.clients(self.settings)):
            for service in [self._keep(Service(spec)) for spec in specs]:
                await self._healthy(service)

    def _keep(self, service: Service) -> Service:
        self._services.append(service)
        self._keepers[service.spec.name] = asyncio.create_task(service.keep())
        return service

    async def _healthy(self, service: Service) -> None:
        while not service.healthy.is_set():
            if service.failures >= HOPELESS or self._keepers[service.spec.name].done():
                raise PlatformError(f"the service {service.spec.name} does not start: see {service.spec.log}")
            await asyncio.sleep(0.1)

    async def _report(self) -> None:
        strays: set[int] = set()
        while True:
            self._write()
            strays = self._reap(strays)
            await asyncio.sleep(0.5)

    def _write(self) -> None:
        """Tell what runs; on a full disk the services go on, and it is told when there is room again."""
        statuses = [service.status() for service in self._services] + self.replicas.services()
        with contextlib.suppress(OSError):
            record.write(self.settings, self.phase, statuses)

    def _reap(self, before: set[int]) -> set[int]:
        """Bury adopted children. asyncio buries its own at once, so whoever is dead twice in a row is adopted."""
        dead = {child.pid for child in self._children() if processes.is_zombie(child)}
        for pid in dead & before:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return dead

    async def _end(self) -> None:
        for keeper in self._keepers.values():
            keeper.cancel()
        # One that is just starting its service would leave it behind.
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        await self._stop("worker", "listener")
        await asyncio.to_thread(self._end_runs)
        self._endpoints.cancel()
        await asyncio.gather(self._endpoints, return_exceptions=True)
        await self._stop("launcher", "server", "shipper")
        await self._stop("postgres")
        await asyncio.to_thread(lambda: processes.end(processes.tree(self._children()), 3))

    async def _stop(self, *names: str) -> None:
        await asyncio.gather(*(service.stop() for service in self._services if service.spec.name in names))

    def _children(self) -> list[psutil.Process]:
        """Everything that was started here or was adopted; what this process had before is none of its business."""
        return [child for child in psutil.Process().children() if child not in self._strangers]

    def _end_runs(self) -> None:
        """End flow runs and their jobs while the server can still be told: the launcher's forks and all orphans."""
        pids = {service.spec.name: service.pid for service in self._services}
        serving = {*pids.values(), *(status.pid for status in self.replicas.services())}
        mine = self._children()
        forks = [fork for child in mine if child.pid == pids.get("launcher") for fork in child.children()]
        processes.end(processes.tree([process for process in (*forks, *mine) if process.pid not in serving]), 8)


def main() -> None:
    """Supervise the state folder of the settings until SIGTERM; one argument `--tied` ends with the parent."""
    settings = Settings()
    processes.adopt_descendants()
    if "--tied" in sys.argv[1:]:
        processes.end_with_parent()
    lock = _lock(settings)
    try:
        control.end_leftovers(settings.state_dir)
        asyncio.run(_supervise(settings))
    except PlatformError as error:
        sys.exit(str(error))
    finally:
        lock.close()


async def _supervise(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    replicas = ReplicaSets(settings)
    _restore(settings, replicas)
    await Supervisor(settings, replicas).run(stop)


def _restore(settings: Settings, replicas: ReplicaSets) -> None:
    try:
        replicas.restore(releases.recorded(settings) if selection.duties(settings).serves else ())
    except (PlatformError, OSError) as error:
        print(f"the endpoints serve what they served last, the journal cannot tell: {error}", file=sys.stderr)


def _lock(settings: Settings) -> IO[bytes]:
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    lock = (settings.state_dir / "supervisor.lock").open("ab")
    if not supervisor_lock.take(lock):
        lock.close()
        sys.exit(f"another supervisor serves {settings.state_dir}: see `ridgeline status`")
    return lock


if __name__ == "__main__":
    main()
