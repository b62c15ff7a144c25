"""`services.json`: what a supervisor writes about its services, for whoever asks."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil

from platforms.local import processes
from platforms.local.status import ServiceStatus
from platforms.settings import Settings

Phase = Literal["starting", "up", "stopping", "failed"]


@dataclass(frozen=True)
class Entry:
    """A service with the creation time of its process, in seconds since 1970, which tells a reused pid."""

    status: ServiceStatus
    created: float


@dataclass(frozen=True)
class Record:
    """What a supervisor wrote last, and who it is."""

    phase: Phase
    pid: int
    created: float
    prefect_url: str
    services: Sequence[Entry]

    def supervisor(self) -> psutil.Process | None:
        """The supervisor, if it still runs."""
        return processes.find(self.pid, self.created)

    def leftovers(self) -> set[psutil.Process]:
        """The recorded processes that still run, with all their descendants."""
        found = (processes.find(entry.status.pid, entry.created) for entry in self.services if entry.status.pid)
        return processes.tree(process for process in found if process)


def read(state: Path) -> Record | None:
    """The record of a state folder; None if there is none, or none that can be read."""
    try:
        content = json.loads((state / "services.json").read_text())
        entries = [Entry(ServiceStatus(**item["status"]), item["created"]) for item in content.pop("services")]
        return Record(services=entries, **content)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(settings: Settings, phase: Phase, services: Sequence[ServiceStatus]) -> None:
    """Replace the record by the present state of this process's services, unless it says so already."""
    entries = [Entry(status, processes.created(status.pid) if status.pid else 0.0) for status in services]
    me = os.getpid()
    record = Record(phase, me, processes.created(me), settings.prefect_url, entries)
    file = settings.state_dir / "services.json"
    text = json.dumps(asdict(record), indent=1)
    if not file.exists() or file.read_text() != text:
        new = file.with_suffix(".new")
        new.write_text(text)
        new.replace(file)
