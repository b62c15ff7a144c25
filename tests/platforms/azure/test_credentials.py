from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect_azure import AzureBlobStorageCredentials
from pydantic import SecretStr

from platforms.azure import clients, credentials
from platforms.azure.datasets import options
from platforms.azure.settings import AzureSettings
from platforms.azure.storage import BlobStorage
from platforms.errors import PlatformError
from tests.emulator.world import World


@pytest.fixture
def blocked(azure: AzureSettings) -> Iterator[AzureSettings]:
    """Settings that know the storage account by a block only."""
    credentials._load.cache_clear()
    given = {"storage_account": "", "storage_endpoint": None, "storage_block": "ridgeline"}
    yield azure.model_copy(update=given)
    credentials._load.cache_clear()


def save(block: AzureBlobStorageCredentials) -> None:
    block.save("ridgeline", overwrite=True, _sync=True)


def test_a_block_with_a_connection_string(blocked: AzureSettings, world: World, prefect_server: None) -> None:
    save(AzureBlobStorageCredentials(connection_string=SecretStr(world.storage.connection_string)))
    assert BlobStorage(clients.container(blocked)).write("credentials/x", b"1").size == 1
    assert options(blocked)["account_key"] == world.storage.key


def test_a_block_with_an_address(blocked: AzureSettings, world: World, prefect_server: None) -> None:
    save(AzureBlobStorageCredentials(account_url=f"{world.storage.blob_endpoint}/"))
    assert BlobStorage(clients.container(blocked)).write("credentials/x", b"1").size == 1
    assert options(blocked)["azure_endpoint"] == world.storage.blob_endpoint


def test_a_block_with_a_service_principal(blocked: AzureSettings, world: World, prefect_server: None) -> None:
    save(
        AzureBlobStorageCredentials(
            account_url=world.storage.blob_endpoint,
            tenant_id=world.tenant,
            client_id="client",
            client_secret=SecretStr("secret"),
        )
    )
    identity = credentials.storage_identity(blocked)
    assert type(identity).__name__ == "ClientSecretCredential"
    assert identity is not credentials.credential(blocked)


def test_a_block_that_is_not_there_is_named(blocked: AzureSettings, prefect_server: None) -> None:
    settings = blocked.model_copy(update={"storage_block": "none"})
    with pytest.raises(PlatformError, match="no AzureBlobStorageCredentials block 'none'"):
        clients.container(settings)
