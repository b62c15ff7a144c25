"""Who Ridgeline is on Azure: a managed identity, a developer's sign-in, or a key where nothing else is allowed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from platforms.azure.settings import AzureSettings
from platforms.errors import PlatformError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from prefect_azure import AzureBlobStorageCredentials

STORAGE_SCOPE: Final = "https://storage.azure.com/.default"


def credential(settings: AzureSettings) -> TokenCredential:
    """`DefaultAzureCredential`: environment, workload identity, managed identity, then the developer's tools."""
    return _credential(settings.client_id, settings.authority)


@cache
def _credential(client_id: str | None, authority: str) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client_id, authority=authority)


def connection_string(settings: AzureSettings) -> str | None:
    """The storage account's connection string, by setting or Prefect block; None if an identity is used."""
    if settings.storage_connection_string:
        return settings.storage_connection_string.get_secret_value()
    block = _block(settings)
    return block.connection_string.get_secret_value() if block and block.connection_string else None


def storage_address(settings: AzureSettings) -> str:
    """Where the storage account's blobs are, for an identity; without a slash at the end."""
    block = _block(settings)
    return str(block.account_url).rstrip("/") if block else settings.blob_endpoint


def storage_identity(settings: AzureSettings) -> TokenCredential:
    """Who signs in to the storage account: the Prefect block's service principal, or who Ridgeline is elsewhere."""
    block = _block(settings)
    if block is None or block.client_secret is None:
        return credential(settings)
    secret = block.client_secret.get_secret_value()
    return _principal(block.tenant_id, block.client_id, secret, settings.authority)


@cache
def _principal(tenant: str | None, client: str | None, secret: str, authority: str) -> TokenCredential:
    """One per identity, because each keeps its tokens and its connections."""
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(tenant, client, secret, authority=authority)


def _block(settings: AzureSettings) -> AzureBlobStorageCredentials | None:
    return _load(settings.storage_block) if settings.storage_block else None


@cache
def _load(name: str) -> AzureBlobStorageCredentials:
    from prefect_azure import AzureBlobStorageCredentials

    try:
        return AzureBlobStorageCredentials.load(name, _sync=True)
    except ValueError as error:
        raise PlatformError(
            f"RIDGELINE_AZURE_STORAGE_BLOCK: Prefect has no AzureBlobStorageCredentials block {name!r}: {error}"
        ) from error
