"""Everything that the emulator's route modules share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from tests.emulator.azurite import StorageAccount
from tests.emulator.certificates import Certificates
from tests.emulator.faults import Faults
from tests.emulator.operations import Operations
from tests.emulator.resources import ResourceStore

Part = TypeVar("Part")


@runtime_checkable
class Closeable(Protocol):
    """A part that has something to end."""

    def close(self) -> None: ...


@dataclass
class World:
    """One offline Azure.

    `storage` is the storage account as clients see it, through the emulator's own address, where faults can hit and
    events arise; `azurite` is the same account at Azurite's own, where they do not. A module that keeps state of its
    own makes it a class of one argument, the world, and finds it by `part`.
    """

    folder: Path
    base_url: str
    certificates: Certificates
    storage: StorageAccount
    azurite: StorageAccount
    subscription: str = "00000000-0000-0000-0000-000000000001"
    tenant: str = "00000000-0000-0000-0000-000000000002"
    principal: str = "00000000-0000-0000-0000-000000000003"
    resource_group: str = "ridgeline"
    container: str = "ridgeline"
    identity_header: str = "offline"
    faults: Faults = field(default_factory=Faults)
    resources: ResourceStore = field(default_factory=ResourceStore)
    operations: Operations = field(init=False)
    on_blob_written: list[Callable[[str, str], None]] = field(default_factory=list)
    """Called with container and path after each write of a blob through the emulator."""
    _parts: dict[object, Any] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.operations = Operations(self.faults)

    @property
    def group_id(self) -> str:
        """The id of the resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    def part(self, kind: Callable[[World], Part]) -> Part:
        """The one instance of a module's state, made on first use."""
        with self._lock:
            if kind not in self._parts:
                self._parts[kind] = kind(self)
            found: Part = self._parts[kind]
            return found

    def close(self) -> None:
        """End what the parts started, the newest first."""
        for part in reversed(self._parts.values()):
            if isinstance(part, Closeable):
                part.close()
