"""The one place that chooses a platform."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from platforms.protocols import Platform, Storage
from platforms.settings import Settings


@dataclass(frozen=True)
class StorageSource:
    """What `storage` needs of an environment: modules of ours with what they import, and packages by name."""

    modules: tuple[str, ...]
    packages: tuple[str, ...]


@cache
def current() -> Platform:
    """The platform that the settings name, built once per process."""
    return load(Settings())


def load(settings: Settings) -> Platform:
    """Build the platform of the given settings; imports nothing of the others."""
    match settings.platform:
        case "local":
            from platforms.local import build

            return build(settings)


def storage(settings: Settings) -> Storage:
    """Only the storage of the platform that the settings name; imports nothing that the other ports need."""
    match settings.platform:
        case "local":
            from platforms.local.storage import LocalStorage

            return LocalStorage.of(settings)


def storage_source(settings: Settings) -> StorageSource:
    """Where `storage` comes from, for whoever takes it elsewhere."""
    match settings.platform:
        case "local":
            return StorageSource(("platforms.local.storage",), ())
