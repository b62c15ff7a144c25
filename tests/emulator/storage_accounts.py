"""What stands in the storage account, made and read by its key: containers and queues that ARM creates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute

from tests.emulator.resources import Resource, ResourceType
from tests.emulator.world import World

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties

ACCOUNT: Final = "Microsoft.Storage/storageAccounts"


def routes(world: World) -> list[BaseRoute]:
    """None of its own: an account's containers and queues are resources."""
    accounts = world.part(Accounts)
    made = {"blobServices/containers": accounts.create_container, "queueServices/queues": accounts.create_queue}
    for kind, create in made.items():
        world.resources.register(ResourceType(f"{ACCOUNT}/{kind}", put=_by_name(create)))
    world.resources.register(ResourceType(ACCOUNT, long_running=True))
    return []


def _by_name(create: Callable[[str], None]) -> Callable[[Resource], None]:
    return lambda document: create(document["name"])


class Accounts:
    """The world's storage account from within."""

    def __init__(self, world: World) -> None:
        from azure.storage.blob import BlobServiceClient
        from azure.storage.queue import QueueServiceClient

        account = world.azurite
        options = {"credential": account.key, "connection_verify": str(world.certificates.authority)}
        self.blobs = BlobServiceClient(account.blob_endpoint, **options)
        self._queues = QueueServiceClient(account.queue_endpoint, **options)

    def create_container(self, name: str) -> None:
        from azure.core.exceptions import ResourceExistsError

        with suppress(ResourceExistsError):
            self.blobs.create_container(name)

    def create_queue(self, name: str) -> None:
        self._queues.create_queue(name)

    def queues(self) -> set[str]:
        return {str(queue.name) for queue in self._queues.list_queues()}

    def send(self, queue: str, content: str) -> None:
        self._queues.get_queue_client(queue).send_message(content, time_to_live=-1)

    def properties(self, container: str, path: str) -> BlobProperties:
        return self.blobs.get_blob_client(container, path).get_blob_properties()

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Every blob of every container, by container and path."""
        for container in self.blobs.list_containers():
            client = self.blobs.get_container_client(container)
            for name in client.list_blob_names():
                yield f"{container.name}/{name}", client.download_blob(name).readall()

    def close(self) -> None:
        self.blobs.close()
        self._queues.close()
