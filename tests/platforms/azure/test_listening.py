"""From Event Grid's message to a flow run: the real listener on the real queue client."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from prefect.client.orchestration import get_client

from platforms import selection
from platforms.azure import clients
from platforms.azure.arrivals import QueueArrivals
from platforms.azure.settings import AzureSettings
from platforms.azure.storage import BlobStorage
from platforms.platform import Platform
from tasks import starting
from tasks.listening import Listener
from tests.deployed import forget_runs
from tests.emulator.event_grid import BLOB_CREATED, MODEL_REGISTERED, EventGrid, event
from tests.emulator.world import World
from tests.platforms.azure.queues import own_queue

pytestmark = pytest.mark.usefixtures("deployments")


@pytest.fixture
def queue(world: World) -> str:
    return own_queue(world)


@pytest.fixture
def listener(
    azure: AzureSettings, queue: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Listener]:
    """A listener on a queue of its own; what the journal says is this test's alone."""
    forget_runs()
    with clients.container(azure) as container, clients.queue(azure, queue) as told:
        storage = BlobStorage(container)
        arrivals = QueueArrivals(told, clients.queue(azure, f"{queue}-poison"), storage, azure.container, 1, 3)
        built = dataclasses.replace(platform, storage=storage, arrivals=arrivals)
        monkeypatch.setattr(selection, "load", lambda _: built)
        selection.current.cache_clear()
        yield Listener(["diabetes"])
        selection.current.cache_clear()


def runs(deployment: str) -> list[dict[str, object]]:
    with get_client(sync_client=True) as client:
        wanted = client.read_deployment_by_name(deployment).id
        return [run.parameters for run in client.read_flow_runs() if run.deployment_id == wanted]


def waiting(azure: AzureSettings, queue: str) -> int:
    with clients.queue(azure, queue) as client:
        return int(client.get_queue_properties().approximate_message_count or 0)


def test_a_blob_that_lands_is_validated_once_however_often_it_is_told(
    listener: Listener, azure: AzureSettings, world: World, queue: str
) -> None:
    path = f"landing/diabetes/{queue}.csv"
    selection.current().storage.write(path, b"a\n")
    subject = f"/blobServices/default/containers/{azure.container}/blobs/{path}"
    for _ in range(3):
        world.part(EventGrid).deliver(queue, event("topic", subject, BLOB_CREATED, {}))
    listener.look()
    assert runs("validate-data/diabetes") == [{"recipe": "diabetes", "path": path}]
    assert waiting(azure, queue) == 0


def test_a_message_stays_until_its_run_exists(
    listener: Listener, azure: AzureSettings, world: World, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"landing/diabetes/{queue}.csv"
    selection.current().storage.write(path, b"a\n")
    subject = f"/blobServices/default/containers/{azure.container}/blobs/{path}"
    world.part(EventGrid).deliver(queue, event("topic", subject, BLOB_CREATED, {}))
    monkeypatch.setattr(starting, "first_attempt", _refuse)
    with pytest.raises(ConnectionError):
        listener.look()
    assert (waiting(azure, queue), runs("validate-data/diabetes")) == (1, [])


def test_a_model_that_is_told_twice_and_released_already_starts_nothing(
    listener: Listener, azure: AzureSettings, world: World, queue: str
) -> None:
    starting.ensure(starting.conclusion("diabetes", 4))
    told = event("topic", "models/diabetes:4", MODEL_REGISTERED, {"ModelName": "diabetes", "ModelVersion": 4})
    for _ in range(2):
        world.part(EventGrid).deliver(queue, told)
    listener.look()
    assert runs("release/diabetes") == [{"recipe": "diabetes", "model_version": 4}]
    assert waiting(azure, queue) == 0


def _refuse(want: starting.Want) -> None:
    raise ConnectionError("the server is gone")
