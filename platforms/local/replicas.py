"""The supervisor's side of the endpoints: keeps, for every wish, its replicas.

The listening sockets belong to the supervisor and are inherited, so an endpoint's address never closes while its
replicas change. Replicas hold the end of a pipe of the supervisor's: when it is killed, they drain and end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, cast

from platforms.errors import PlatformError
from platforms.local.endpoint_files import Desired, EndpointFiles, read
from platforms.local.images import LocalImages
from platforms.local.replica_set import Locate, ReplicaSet
from platforms.local.status import ServiceStatus
from platforms.local.wishes import Wishes
from platforms.settings import Settings
from platforms.values import EndpointSpec, Environment

SCAN_SECONDS: Final = 0.1


class ReplicaSets:
    """All endpoints of one state folder."""

    def __init__(self, settings: Settings, locate: Locate | None = None) -> None:
        self._settings = settings
        self._locate = locate or LocalImages(settings).locate
        self._files = EndpointFiles(settings)
        self._sets: dict[Path, ReplicaSet] = {}
        self._seen: dict[Path, tuple[int, int]] = {}

    def restore(self, specs: Iterable[EndpointSpec]) -> None:
        """Wish for exactly these endpoints, whatever was wished before; call it before `run`."""
        Wishes(self._settings).restore(specs)

    async def run(self) -> None:
        """Fulfil wishes until cancelled, then drain and end all replicas; raises `PlatformError` if another does."""
        with self._files.supervising():
            alive, held = os.pipe()
            try:
                self._forget_statuses()
                while True:
                    self._scan(alive)
                    await asyncio.sleep(SCAN_SECONDS)
            finally:
                await asyncio.gather(*(replica_set.stop() for replica_set in self._sets.values()))
                self._forget_statuses()
                self._sets.clear()
                self._seen.clear()
                os.close(alive)
                os.close(held)

    def services(self) -> list[ServiceStatus]:
        """Every replica that serves, or is being started again."""
        return [status for replica_set in self._sets.values() for status in replica_set.services()]

    def _forget_statuses(self) -> None:
        for file in self._files.observed_files():
            file.unlink(missing_ok=True)

    def _scan(self, alive: int) -> None:
        files = {file: _version(file) for file in self._files.desired_files()}
        for file, version in files.items():
            if file not in self._sets:
                environment = cast(Environment, file.stem)
                observed = self._files.observed_file(file.parent.name, environment)
                self._sets[file] = ReplicaSet(self._settings, self._locate, observed, alive)
            if self._seen.get(file) != version:
                self._seen[file] = version
                self._want(file)
        for file in self._seen.keys() - files.keys():
            del self._seen[file]
            self._sets[file].want(None)
        for replica_set in self._sets.values():
            replica_set.report()

    def _want(self, file: Path) -> None:
        try:
            self._sets[file].want(read(file, Desired))
        except PlatformError as error:
            # One spoilt file must not end the other endpoints; this one goes on with what it serves.
            print(error, file=sys.stderr)


def _version(file: Path) -> tuple[int, int]:
    """What tells one wish from the next: two may be written within one tick of the file system's coarse clock."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino
