"""Queues of a test's own, and events that go there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.emulator.event_grid import SUBSCRIPTION
from tests.emulator.storage_accounts import Accounts
from tests.emulator.world import World


def own_queue(world: World) -> str:
    """The name of a new queue, beside which is one for its poison."""
    name = f"queue-{uuid.uuid4().hex[:12]}"
    for made in (name, f"{name}-poison"):
        world.part(Accounts).create_queue(made)
    return name


@contextmanager
def subscribed(world: World, source: str, kind: str, queue: str, begins: str = "") -> Iterator[None]:
    """Let a queue be told of the events of one kind of a resource in the group, whose subjects begin so."""
    path = f"{world.group_id}/providers/{source}/providers/{SUBSCRIPTION}/{queue}"
    target = {"endpointType": "StorageQueue", "properties": {"queueName": queue}}
    wanted = {"includedEventTypes": [kind], "subjectBeginsWith": begins}
    world.resources.put(path, {"properties": {"destination": target, "filter": wanted}})
    yield
    for document in world.resources.remove(path):
        world.resources.type_of(document["id"]).delete(document)


def account(world: World) -> str:
    """The storage account, as the source of events."""
    return f"Microsoft.Storage/storageAccounts/{world.storage.name}"


WORKSPACE = "Microsoft.MachineLearningServices/workspaces/ridgeline"
"""The workspace, as the source of events."""
