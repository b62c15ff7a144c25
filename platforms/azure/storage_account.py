"""Which storage account holds everything: its name, address and key, from whatever of the settings says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from platforms.azure import credentials
from platforms.azure.errors import unset
from platforms.azure.settings import AzureSettings

SUFFIX: Final = "core.windows.net"


@dataclass(frozen=True)
class StorageAccount:
    """The account. `address` is that of its blobs, without a slash at its end; an identity needs no key."""

    name: str
    address: str
    key: str | None = None
    signature: str | None = None

    @property
    def queue_address(self) -> str:
        """Address of the account's queues, where none is set."""
        return self.address.replace(".blob.", ".queue.")


def storage_account(settings: AzureSettings) -> StorageAccount:
    """The account of the connection string, the Prefect block or the settings, in this order.

    Raises `PlatformError` if none of them names one.
    """
    if connection := credentials.connection_string(settings):
        return _connected(dict(part.split("=", 1) for part in connection.strip("; ").split(";")), settings)
    if not (settings.storage_account or settings.storage_endpoint or settings.storage_block):
        raise unset("storage_account")
    address = credentials.storage_address(settings)
    return StorageAccount(settings.storage_account or _name(address), address)


def _connected(given: Mapping[str, str], settings: AzureSettings) -> StorageAccount:
    """The account of a connection string; one with a shared access signature has only an address."""
    suffix = given.get("EndpointSuffix", SUFFIX)
    address = given.get("BlobEndpoint") or f"https://{given.get('AccountName', '')}.blob.{suffix}"
    name = given.get("AccountName") or settings.storage_account or _name(address)
    return StorageAccount(name, address.rstrip("/"), given.get("AccountKey"), given.get("SharedAccessSignature"))


def _name(address: str) -> str:
    """The account that an address speaks of: by its host, or, as emulators have it, by its path."""
    parts = urlsplit(address)
    return parts.path.strip("/") or str(parts.hostname).partition(".")[0]
