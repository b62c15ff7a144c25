"""Event Grid: subscriptions that really deliver, to storage queues.

Azurite has no events. Blobs that are written through the emulator's own address are noticed by its forwarder, models
by the resource store. What is written to Azurite's own port is not noticed. Delivery is at once and in order, and not
tried again; `deliver` sends any event, also twice or spoilt.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

from starlette.routing import BaseRoute

from tests.emulator.http import now
from tests.emulator.resources import Resource, ResourceType
from tests.emulator.storage_accounts import Accounts
from tests.emulator.world import World

SUBSCRIPTION: Final = "Microsoft.EventGrid/eventSubscriptions"
MODEL: Final = "Microsoft.MachineLearningServices/workspaces/models/versions"
BLOB_CREATED: Final = "Microsoft.Storage.BlobCreated"
MODEL_REGISTERED: Final = "Microsoft.MachineLearningServices.ModelRegistered"


def routes(world: World) -> list[BaseRoute]:
    """None of its own: subscriptions are resources."""
    world.part(EventGrid)
    return []


def environment(world: World) -> dict[str, str]:
    return {"RIDGELINE_AZURE_QUEUE_ENDPOINT": world.storage.queue_endpoint}


def seed(world: World) -> None:
    """The queues and subscriptions that `provision` would make."""
    queues = world.part(Accounts)
    for name in ("ridgeline-arrivals", "ridgeline-arrivals-poison"):
        queues.create_queue(name)
    account = f"{world.group_id}/providers/Microsoft.Storage/storageAccounts/{world.storage.name}"
    workspace = f"{world.group_id}/providers/Microsoft.MachineLearningServices/workspaces/ridgeline"
    landing = f"/blobServices/default/containers/{world.container}/blobs/landing/"
    wanted: dict[str, dict[str, Any]] = {
        account: {"includedEventTypes": [BLOB_CREATED], "subjectBeginsWith": landing},
        workspace: {"includedEventTypes": [MODEL_REGISTERED]},
    }
    for source, filters in wanted.items():
        target = {"endpointType": "StorageQueue", "properties": {"queueName": "ridgeline-arrivals"}}
        body = {"properties": {"destination": target, "filter": filters}}
        world.resources.put(f"{source}/providers/{SUBSCRIPTION}/ridgeline", body)


class EventGrid:
    """Knows every subscription and sends it what it asks for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._subscriptions: dict[str, Resource] = {}
        world.on_blob_written.append(self._blob_written)
        world.resources.register(ResourceType(SUBSCRIPTION, check=self._subscribed, delete=self._unsubscribed))
        world.resources.register(ResourceType(MODEL, check=self._model_stored))

    def deliver(self, queue: str, content: str | Mapping[str, object]) -> None:
        """Put an event, or any text as it is, into a queue."""
        if isinstance(content, Mapping):
            content = base64.b64encode(json.dumps(content).encode()).decode()
        self._world.part(Accounts).send(queue, content)

    def publish(self, topic: str, event: Mapping[str, object]) -> None:
        """Deliver an event to each subscription whose filter it passes."""
        for subscription in self._subscribers(topic, str(event["subject"]), str(event["eventType"])):
            self.deliver(subscription["properties"]["destination"]["properties"]["queueName"], event)

    def _subscribers(self, topic: str, subject: str, event_type: str) -> list[Resource]:
        place = f"{topic}/providers/microsoft.eventgrid/".lower()
        return [
            subscription
            for name, subscription in list(self._subscriptions.items())
            if name.startswith(place) and _passes(subscription["properties"]["filter"], subject, event_type)
        ]

    def _subscribed(self, document: Resource, _: Resource | None) -> None:
        self._subscriptions[document["id"].lower()] = document

    def _unsubscribed(self, document: Resource) -> None:
        self._subscriptions.pop(document["id"].lower(), None)

    def _blob_written(self, container: str, path: str) -> None:
        subject = f"/blobServices/default/containers/{container}/blobs/{path}"
        accounts = f"{self._world.group_id}/providers/Microsoft.Storage/storageAccounts"
        topic = f"{accounts}/{self._world.storage.name}"
        if not self._subscribers(topic, subject, BLOB_CREATED):
            return
        blob = self._world.part(Accounts).properties(container, path)
        data = {
            "api": "PutBlob",
            "eTag": blob.etag.strip('"'),
            "contentLength": blob.size,
            "contentType": blob.content_settings.content_type,
            "blobType": "BlockBlob",
            "url": f"{self._world.storage.blob_endpoint}/{container}/{path}",
            "clientRequestId": str(uuid.uuid4()),
            "requestId": str(uuid.uuid4()),
            "accessTier": "Hot",
            "sequencer": uuid.uuid4().hex,
            "storageDiagnostics": {"batchId": str(uuid.uuid4())},
        }
        self.publish(topic, event(topic, subject, BLOB_CREATED, data))

    def _model_stored(self, document: Resource, old: Resource | None) -> None:
        if old is not None:
            return
        parts = document["id"].split("/")
        name, version, workspace = parts[-3], parts[-1], "/".join(parts[:-4])
        properties = document["properties"]
        data = {
            "ModelName": name,
            "ModelVersion": int(version) if version.isdigit() else version,
            "ModelTags": properties.get("tags") or {},
            "ModelProperties": properties.get("properties") or {},
        }
        self.publish(workspace, event(workspace, f"models/{name}:{version}", MODEL_REGISTERED, data))


def event(topic: str, subject: str, kind: str, data: Mapping[str, object]) -> dict[str, object]:
    """An event in Event Grid's own schema."""
    return {
        "topic": topic,
        "subject": subject,
        "eventType": kind,
        "id": str(uuid.uuid4()),
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
        "eventTime": now(),
    }


def _passes(filters: Mapping[str, Any], subject: str, event_type: str) -> bool:
    return subject.startswith(filters.get("subjectBeginsWith") or "") and event_type in filters["includedEventTypes"]
