from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from azure.storage.blob import AccountSasPermissions, BlobClient, ContainerClient, ResourceTypes, generate_account_sas
from pydantic import SecretStr

from platforms.azure import clients, lease
from platforms.azure import storage as module
from platforms.azure.errors import line
from platforms.azure.settings import AzureSettings
from platforms.azure.storage import BlobStorage
from platforms.azure.texts import Texts
from platforms.errors import PlatformError
from platforms.values import Blob
from tests.emulator.faults import Fault, Kind
from tests.emulator.world import World
from tests.platforms.azure.faulty import KINDS
from tests.platforms.contracts.storage import StorageContract


@pytest.fixture
def settings(azure: AzureSettings) -> AzureSettings:
    """The settings with a container of the test's own."""
    made = azure.model_copy(update={"container": f"test-{uuid.uuid4()}"})
    clients.container(made).create_container()
    return made


@pytest.fixture
def storage(settings: AzureSettings) -> BlobStorage:
    return BlobStorage(clients.container(settings))


class TestBlobStorage(StorageContract):
    pass


def test_a_connection_string_does_too(settings: AzureSettings, storage: BlobStorage, world: World) -> None:
    storage.write("x", b"1")
    values = {"RIDGELINE_AZURE_STORAGE_CONNECTION_STRING": world.storage.connection_string}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*values.popitem())
        given = AzureSettings(container=settings.container)
    assert BlobStorage(clients.container(given)).list("") == storage.list("")


def test_a_large_file_arrives_in_parts_and_whole(settings: AzureSettings, world: World, tmp_path: Path) -> None:
    parts = {"max_single_put_size": 1 << 20, "max_block_size": 1 << 20, "max_single_get_size": 1 << 20}
    container = ContainerClient.from_connection_string(world.storage.connection_string, settings.container, **parts)
    storage, content = BlobStorage(container), b"0123456789abcdef" * (9 << 15)
    (tmp_path / "large").write_bytes(content)
    assert storage.upload(tmp_path / "large", "logs/large").size == len(content)
    with storage.open("logs/large") as reader:
        assert reader.read() == content


def test_of_movers_at_once_none_fails(storage: BlobStorage) -> None:
    blob = storage.write("landing/x", b"1")
    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(lambda _: storage.move(blob, "accepted/x").path, range(4)))
    assert moved == ["accepted/x"] * 4
    assert [blob.path for blob in storage.list("")] == ["accepted/x"]


def test_what_replaces_a_blob_while_it_is_moved_stays(storage: BlobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = storage.write("landing/x", b"old")
    remove = BlobStorage._remove

    def replaced_first(self: BlobStorage, blob: Blob) -> None:
        self.write(blob.path, b"new")
        remove(self, blob)

    monkeypatch.setattr(BlobStorage, "_remove", replaced_first)
    storage.move(blob, "accepted/x")
    with storage.open("landing/x") as landed, storage.open("accepted/x") as accepted:
        assert (landed.read(), accepted.read()) == (b"new", b"old")


@pytest.mark.parametrize(
    ("copy", "why"),
    [
        (SimpleNamespace(status="pending", status_description=None), "the copy is pending after 0 s; try again"),
        (SimpleNamespace(status="failed", status_description="500 of the service"), "500 of the service; try again"),
    ],
)
def test_a_copy_that_does_not_succeed_leaves_the_blob_and_is_told(
    storage: BlobStorage, monkeypatch: pytest.MonkeyPatch, copy: SimpleNamespace, why: str
) -> None:
    blob = storage.write("landing/x", b"content")
    monkeypatch.setattr(module, "COPY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(BlobClient, "get_blob_properties", lambda _: SimpleNamespace(copy=copy))
        with pytest.raises(PlatformError, match=f"was not copied to 'accepted/x': {why}"):
            storage.move(blob, "accepted/x")
    assert storage.stat("landing/x") == blob


@pytest.mark.parametrize("kind", KINDS)
def test_requests_that_fail_for_a_while_are_sent_again(storage: BlobStorage, world: World, kind: Kind) -> None:
    fault = Fault(kind, path=f"/{storage_container(storage)}/", times=3)
    with world.faults.on(fault):
        blob = storage.write("landing/x", b"content")
        assert storage.move(blob, "accepted/x").size == 7
        with storage.open("accepted/x") as reader:
            assert reader.read() == b"content"
    assert fault.hits == 3
    assert [blob.path for blob in storage.list("")] == ["accepted/x"]


def test_as_long_as_the_service_asks_for_it_is_left_alone(storage: BlobStorage, world: World) -> None:
    begin = time.monotonic()
    with world.faults.on(Fault("throttle", f"/{storage_container(storage)}/", retry_after=1)):
        storage.write("x", b"")
    assert time.monotonic() - begin >= 1


def test_a_move_whose_answers_are_lost_is_one_move(storage: BlobStorage, world: World) -> None:
    blob = storage.write("landing/x", b"content")
    path = f"/{storage_container(storage)}/"
    with world.faults.on(Fault("drop-answer", path, "PUT"), Fault("drop-answer", path, "DELETE")):
        storage.move(blob, "accepted/x")
    assert [blob.path for blob in storage.list("")] == ["accepted/x"]


def test_an_outage_is_told_with_the_blob(storage: BlobStorage, world: World) -> None:
    with world.faults.on(Fault("error", path=f"/{storage_container(storage)}/", times=100, status=500)):
        for call in (storage.stat, storage.open, lambda path: storage.write(path, b"")):
            with pytest.raises(PlatformError, match=r"blob 'a/x' in https://.*: 500 .*try again"):
                call("a/x")


def test_a_container_that_is_not_there_says_so(azure: AzureSettings) -> None:
    storage = BlobStorage(clients.container(azure.model_copy(update={"container": "none"})))
    for call in (storage.stat, storage.list, storage.open, lambda path: storage.write(path, b"")):
        with pytest.raises(PlatformError, match="ContainerNotFound; `ridgeline provision --plan`"):
            call("x")


def test_without_an_account_the_setting_is_named() -> None:
    with pytest.raises(PlatformError, match="RIDGELINE_AZURE_STORAGE_ACCOUNT is not set"):
        clients.container(AzureSettings(storage_account="", storage_endpoint=None))


def test_a_shared_access_signature_is_in_no_address_and_no_error(
    settings: AzureSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings.model_copy(update={"storage_connection_string": signed(world), "retries": 0})
    container = clients.container(given)
    storage, texts = BlobStorage(container), Texts(container, "texts")
    assert "?" in container.url
    storage.write("a/x", b"1")
    shown = [texts.url("t")]
    monkeypatch.setattr(lease, "PATIENCE", 0.0)
    with lease.lease(container, "turn"):
        shown.append(refusal(lambda: lease.lease(container, "turn").__enter__()))
    for kind in ("error", "drop"):
        for call in (lambda: storage.list("a"), lambda: storage.stat("a/x"), lambda: texts.read("t")):
            with world.faults.on(Fault(kind, f"/{settings.container}", times=100, status=500)):
                shown.append(refusal(call))
    assert not [text for text in shown if "sig=" in text or "sv=" in text]


def test_the_text_of_an_error_loses_only_signatures() -> None:
    text = "https://a/b?sv=1&sig=x%2F&se=2 (Caused by '/b?sig=y')\nwhat? https://a/b?page=1"
    assert line(text) == "https://a/b (Caused by '/b') what? https://a/b?page=1"


def signed(world: World) -> SecretStr:
    """A connection string of the account with a shared access signature instead of its key."""
    account, end = world.storage, datetime.now(UTC) + timedelta(hours=1)
    everything = ResourceTypes(service=True, container=True, object=True)
    allowed = AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True)
    signature = generate_account_sas(account.name, account.key, everything, allowed, end)
    return SecretStr(f"BlobEndpoint={account.blob_endpoint};SharedAccessSignature={signature}")


def refusal(call: Callable[[], object]) -> str:
    """What a call that is refused says."""
    with pytest.raises(PlatformError) as raised:
        call()
    return str(raised.value)


def storage_container(storage: BlobStorage) -> str:
    return str(storage._container.container_name)
