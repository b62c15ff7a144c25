from __future__ import annotations

import uuid

import pytest

from platforms.azure import credentials
from platforms.azure.datasets import blob_datasets, options
from platforms.azure.settings import AzureSettings
from platforms.delta import DeltaStore
from platforms.errors import NotFoundError, PlatformError
from platforms.protocols import DatasetStore
from tests.emulator.faults import Fault, Kind
from tests.emulator.world import World
from tests.platforms.azure.faulty import KINDS
from tests.platforms.azure.signed_out import SignedOut
from tests.platforms.azure.test_storage import signed
from tests.platforms.contracts.datasets import DatasetsContract, append, batch


@pytest.fixture
def datasets(azure: AzureSettings) -> DeltaStore:
    return blob_datasets(azure, f"tables/{uuid.uuid4()}")


class TestBlobDatasets(DatasetsContract):
    @pytest.mark.long
    def test_of_racing_writers_every_batch_lands_once(self, datasets: DatasetStore) -> None:
        super().test_of_racing_writers_every_batch_lands_once(datasets)


def test_a_connection_string_does_too(
    datasets: DeltaStore, azure: AzureSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = append(datasets, "r", batch(1.0), "b1")
    monkeypatch.setenv("RIDGELINE_AZURE_STORAGE_CONNECTION_STRING", world.storage.connection_string)
    given = options(AzureSettings())
    assert "bearer_token" not in given
    folder = datasets.location("").split("/", 3)[3].strip("/")
    assert blob_datasets(AzureSettings(), folder).version("r") == version


def test_a_connection_string_with_a_shared_access_signature_does_too_and_shows_it_nowhere(
    azure: AzureSettings, world: World
) -> None:
    nothing_else = {"storage_account": "", "storage_endpoint": None, "storage_connection_string": signed(world)}
    given = azure.model_copy(update={**nothing_else, "retries": 0})
    datasets = blob_datasets(given, f"tables/{uuid.uuid4()}")
    assert append(datasets, "r", batch(1.0), "b1").rows == 1
    for kind in ("error", "drop"):
        with world.faults.on(Fault(kind, "/tables/", times=1000)), pytest.raises(PlatformError) as raised:
            datasets.version("r")
        assert "sig=" not in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_lands_once_whatever_fails_for_a_while(datasets: DeltaStore, world: World, kind: Kind) -> None:
    append(datasets, "r", batch(1.0), "b1")
    fault = Fault(kind, "/tables/", times=3)
    with world.faults.on(fault):
        assert append(datasets, "r", batch(2.0, 3.0), "b2").rows == 3
    assert fault.hits == 3
    assert datasets.version("r").version == 2


def test_a_commit_whose_answer_is_lost_is_one_version(datasets: DeltaStore, world: World) -> None:
    append(datasets, "r", batch(1.0), "b1")
    fault = Fault("drop-answer", r"_delta_log/\d+1?2\.json", "PUT")
    with world.faults.on(fault):
        found = append(datasets, "r", batch(2.0), "b2")
    assert fault.hits == 1
    assert (found.version, found.rows) == (2, 2)


def test_without_a_sign_in_the_account_and_the_next_step_are_named(
    azure: AzureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "storage_identity", lambda settings: SignedOut())
    with pytest.raises(PlatformError, match=f"tables in {azure.blob_endpoint}: nobody is signed in, run `az login`"):
        blob_datasets(azure, "tables/x").version("r")


def test_an_outage_is_no_missing_version(datasets: DeltaStore, world: World) -> None:
    version = append(datasets, "r", batch(1.0), "b1").version
    with world.faults.on(Fault("error", "/tables/", times=1000)), pytest.raises(PlatformError) as raised:
        datasets.version("r", version)
    assert not isinstance(raised.value, NotFoundError)
    assert "cannot be read" in str(raised.value)
