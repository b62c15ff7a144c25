"""The one place that chooses a platform."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from platforms.platform import Platform
from platforms.protocols import Endpoints, Storage
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
        case "azure":
            from platforms import azure

            return azure.build(settings)


def storage(settings: Settings) -> Storage:
    """Only the storage of the platform that the settings name; imports nothing that the other ports need."""
    match settings.platform:
        case "local":
            from platforms.local.storage import LocalStorage

            return LocalStorage.of(settings)
        case "azure":
            from platforms import azure

            return azure.storage()


def storage_source(settings: Settings) -> StorageSource:
    """Where `storage` comes from, for whoever takes it elsewhere."""
    match settings.platform:
        case "local":
            return StorageSource(("platforms.local.storage",), ())
        case "azure":
            return StorageSource(
                ("platforms.azure.storage", "platforms.azure.clients", "platforms.azure.settings"),
                ("azure-identity", "azure-storage-blob"),
            )


def endpoints(settings: Settings) -> Endpoints:
    """Only the endpoints of the platform that the settings name."""
    match settings.platform:
        case "local":
            from platforms.local.endpoints import LocalEndpoints
            from platforms.local.secrets import FileSecrets

            return LocalEndpoints(settings, FileSecrets(settings.state_dir / "secrets"))
        case "azure":
            from platforms import azure

            return azure.endpoints()


@dataclass(frozen=True)
class Duties:
    """What the supervisor has to do for a platform beside Prefect's services.

    `serves`: endpoints are on this machine, and so are their ports and request logs. `imports` are modules that flow
    runs need and that take long to import.
    """

    serves: bool
    imports: tuple[str, ...] = ()


def duties(settings: Settings) -> Duties:
    """The duties for the platform that the settings name."""
    match settings.platform:
        case "local":
            return Duties(serves=True)
        case "azure":
            from platforms import azure

            return Duties(serves=False, imports=azure.IMPORTS)


def models_page(settings: Settings) -> str | None:
    """Where people look at models and training runs; None where MLflow's UI on this machine shows them."""
    match settings.platform:
        case "local":
            return None
        case "azure":
            from platforms import azure

            return azure.models_page()
