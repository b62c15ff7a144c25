"""The one place that chooses a platform."""

from __future__ import annotations

from functools import cache

from platforms.protocols import Platform, Storage
from platforms.settings import Settings


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
