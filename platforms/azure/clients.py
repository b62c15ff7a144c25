"""Clients of Azure's services, made from the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from platforms.azure import credentials
from platforms.azure.errors import unset
from platforms.azure.settings import AzureSettings
from platforms.azure.storage_account import storage_account

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient
    from azure.storage.blob import BlobClient, ContainerClient
    from azure.storage.queue import QueueClient

Client = TypeVar("Client")

REPEATABLE: Final = {"retry_on_methods": ["POST"]}
"""For a POST that does no harm when it is sent again: azure-core cannot know that, and sends none again."""


def container(settings: AzureSettings) -> ContainerClient:
    """The blob container of everything that Ridgeline stores; raises `PlatformError` if no account is set."""
    from azure.storage.blob import ContainerClient

    options = _storage_options(settings)
    if connection := credentials.connection_string(settings):
        return ContainerClient.from_connection_string(connection, settings.container, **options)
    address, identity = storage_account(settings).address, credentials.storage_identity(settings)
    return ContainerClient(address, settings.container, credential=identity, **options)


def signed_blob(settings: AzureSettings, url: str) -> BlobClient:
    """A blob anywhere, by an address that lets in who knows it."""
    from azure.storage.blob import BlobClient

    return BlobClient.from_blob_url(url, **_storage_options(settings))


def queue(settings: AzureSettings, name: str) -> QueueClient:
    """A queue of the storage account; messages are taken as they are, since not all of them are well-formed."""
    from azure.storage.queue import QueueClient

    options = _storage_options(settings)
    if connection := credentials.connection_string(settings):
        return QueueClient.from_connection_string(connection, name, **options)
    address = (settings.queue_endpoint or storage_account(settings).queue_address).rstrip("/")
    return QueueClient(address, name, credential=credentials.storage_identity(settings), **options)


def vault(settings: AzureSettings) -> SecretClient:
    """The Key Vault; raises `PlatformError` if none is set."""
    from azure.keyvault.secrets import SecretClient

    if settings.key_vault is None:
        raise unset("key_vault")
    return SecretClient(settings.key_vault, credentials.credential(settings), **retries(settings))


def retries(settings: AzureSettings) -> dict[str, Any]:
    """How often and after which waits clients built on azure-core send a request again; they keep to Retry-After."""
    counts = ("retry_total", "retry_connect", "retry_read", "retry_status")
    return {**dict.fromkeys(counts, settings.retries), "retry_backoff_factor": settings.retry_wait}


def management(settings: AzureSettings, kind: Callable[..., Client]) -> Client:
    """A client of Azure Resource Manager, of the given class."""
    base = settings.resource_manager.rstrip("/")
    return kind(
        credentials.credential(settings),
        settings.subscription_id,
        base_url=base,
        credential_scopes=[f"{base}/.default"],
        **retries(settings),
    )


def _storage_options(settings: AzureSettings) -> dict[str, Any]:
    from platforms.azure.patience import Patience

    patience = Patience(settings.retries, settings.retry_wait)
    return {"retry_policy": patience, "connection_timeout": settings.timeout, "read_timeout": settings.timeout}
