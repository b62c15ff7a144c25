"""Who Ridgeline is on Azure: a managed identity, a developer's sign-in, or a key where nothing else is allowed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from platforms.azure.settings import AzureSettings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

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
    if settings.storage_block is None:
        return None
    from prefect_azure import AzureBlobStorageCredentials

    block = AzureBlobStorageCredentials.load(settings.storage_block)
    found = block.connection_string
    return found.get_secret_value() if found else None
