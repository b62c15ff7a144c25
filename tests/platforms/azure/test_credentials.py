from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect_azure import AzureBlobStorageCredentials
from pydantic import SecretStr

from platforms.azure import clients, credentials
from platforms.azure.datasets import options
from platforms.azure.log_shipper import shipper_environment
from platforms.azure.settings import AzureSettings
from platforms.azure.storage import BlobStorage
from platforms.azure.storage_account import storage_account
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


def test_a_block_with_a_principal_signs_in_as_one_identity(blocked: AzureSettings, prefect_server: None) -> None:
    save(
        AzureBlobStorageCredentials(
            account_url="https://data1.blob.core.windows.net/",
            tenant_id="11111111-1111-1111-1111-111111111111",
            client_id="pipeline",
            client_secret=SecretStr("hidden"),
        )
    )
    identity = credentials.storage_identity(blocked)
    assert identity is credentials.storage_identity(blocked)
    assert identity is not credentials.credential(blocked)


def test_every_adapter_finds_the_account_of_a_block(
    blocked: AzureSettings, world: World, prefect_server: None
) -> None:
    save(AzureBlobStorageCredentials(account_url="https://data1.blob.core.windows.net/"))
    shipper = shipper_environment(blocked)
    assert shipper["RIDGELINE_AZURE_STORAGE_ACCOUNT"] == "data1"
    assert shipper["RIDGELINE_AZURE_STORAGE_ENDPOINT"] == "https://data1.blob.core.windows.net"
    unset = blocked.model_copy(update={"queue_endpoint": None})
    assert clients.queue(unset, "q").url == "https://data1.queue.core.windows.net/q"


@pytest.mark.parametrize(
    ("connection", "name", "address"),
    [
        ("AccountName=a;AccountKey=k==;EndpointSuffix=core.windows.net", "a", "https://a.blob.core.windows.net"),
        ("AccountName=a;AccountKey=k;EndpointSuffix=c.cn;", "a", "https://a.blob.c.cn"),
        ("BlobEndpoint=https://b.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x", "b", None),
        ("BlobEndpoint=https://127.0.0.1:1/c;SharedAccessSignature=sv=1", "c", "https://127.0.0.1:1/c"),
    ],
)
def test_a_connection_string_names_the_account(connection: str, name: str, address: str | None) -> None:
    settings = AzureSettings(_env_file=None, storage_account="", storage_connection_string=SecretStr(connection))
    found = storage_account(settings)
    assert (found.name, found.address) == (name, address or "https://b.blob.core.windows.net")


def test_without_an_account_each_adapter_names_the_setting() -> None:
    settings = AzureSettings(_env_file=None, storage_account="", storage_endpoint=None, queue_endpoint=None)
    for call in (options, shipper_environment, clients.container, lambda given: clients.queue(given, "q")):
        with pytest.raises(PlatformError, match="RIDGELINE_AZURE_STORAGE_ACCOUNT is not set"):
            call(settings)


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
