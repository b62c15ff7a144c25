"""Offline events against Microsoft's published examples of them: the same fields, of the same types."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from platforms.azure import clients
from platforms.azure.settings import AzureSettings
from tests.emulator.event_grid import BLOB_CREATED, MODEL_REGISTERED
from tests.emulator.world import World
from tests.platforms.azure.queues import WORKSPACE, account, own_queue, subscribed

ENVELOPE = {
    "topic": str,
    "subject": str,
    "eventType": str,
    "id": str,
    "data": dict,
    "dataVersion": str,
    "metadataVersion": str,
    "eventTime": str,
}
BLOB = {
    "api": str,
    "clientRequestId": str,
    "requestId": str,
    "eTag": str,
    "contentType": str,
    "contentLength": int,
    "blobType": str,
    "accessTier": str,
    "url": str,
    "sequencer": str,
    "storageDiagnostics": dict,
}
MODEL = {"ModelName": str, "ModelVersion": int, "ModelTags": dict, "ModelProperties": dict}
"""azure-rest-api-specs, eventgrid/data-plane: `blob_created.json`, `model_registered.json` in Event Grid's schema."""


@pytest.fixture
def queue(world: World) -> Iterator[str]:
    """A queue that gets every event of the storage account and of the workspace, whatever it is about."""
    name = own_queue(world)
    with (
        subscribed(world, account(world), BLOB_CREATED, name),
        subscribed(world, WORKSPACE, MODEL_REGISTERED, name),
    ):
        yield name


def received(azure: AzureSettings, queue: str, about: str) -> dict[str, Any]:
    """The one event whose subject ends so."""
    with clients.queue(azure, queue) as client:
        events = [json.loads(base64.b64decode(message.content)) for message in client.receive_messages()]
    [found] = [event for event in events if str(event["subject"]).endswith(about)]
    event: dict[str, Any] = found
    return event


def shape(document: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in document.items()}


def test_a_written_blob(azure: AzureSettings, world: World, queue: str) -> None:
    path = f"landing/{queue}/rows.csv"
    with clients.container(azure) as container:
        done = container.upload_blob(path, b"a,b\n")
        etag = done.get_blob_properties().etag
    event = received(azure, queue, path)
    assert (shape(event), shape(event["data"])) == (ENVELOPE, BLOB)
    assert event["subject"] == f"/blobServices/default/containers/{azure.container}/blobs/{path}"
    assert (event["data"]["eTag"], event["data"]["contentLength"]) == (etag.strip('"'), 4)


def test_a_registered_model(azure: AzureSettings, world: World, queue: str) -> None:
    world.resources.put(f"{azure.workspace_id}/models/{queue}", {"properties": {}})
    world.resources.put(f"{azure.workspace_id}/models/{queue}/versions/3", {"properties": {"tags": {"a": "b"}}})
    event = received(azure, queue, f"{queue}:3")
    assert (shape(event), shape(event["data"])) == (ENVELOPE, MODEL)
    assert event["subject"] == f"models/{queue}:3"


def test_the_sdk_reads_the_events(azure: AzureSettings, queue: str) -> None:
    from azure.eventgrid import EventGridEvent, SystemEventNames

    with clients.container(azure) as container:
        container.upload_blob(f"landing/{queue}/sdk.csv", b"a,b\n")
    event = EventGridEvent.from_json(json.dumps(received(azure, queue, "sdk.csv")))
    assert event.event_type == SystemEventNames.StorageBlobCreatedEventName
    assert SystemEventNames.MachineLearningServicesModelRegisteredEventName == MODEL_REGISTERED
