"""Services: an address per Service, and a forwarder that spreads its connections over the ready pods."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import Final

from tests.emulator.addresses import Addresses, listen
from tests.emulator.kubernetes_controllers import is_ready
from tests.emulator.kubernetes_store import Key, Object, Store

CHUNK: Final = 65536
FINALIZER: Final = "service.kubernetes.io/load-balancer-cleanup"


class Services:
    """The Services of one cluster."""

    def __init__(self, store: Store, addresses: Addresses) -> None:
        self._store = store
        self._addresses = addresses
        self._forwarders: dict[tuple[Key, str], list[Forwarder]] = {}
        self._releases: dict[str, asyncio.Task[None]] = {}
        self.release_seconds = 0.0
        """How long it takes to take a load balancer away, without which its Service does not go."""

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            while True:
                changed = self._store.changed
                await self._reconcile()
                await changed.wait()
        finally:
            for forwarders in self._forwarders.values():
                for forwarder in forwarders:
                    forwarder.close()

    async def _reconcile(self) -> None:
        wanted: dict[tuple[Key, str], Object] = {}
        for found in self._store.peek_all("services"):
            if found["spec"].get("clusterIP") != "None":
                key = Key("services", found["metadata"]["namespace"], found["metadata"]["name"])
                uid = found["metadata"]["uid"]
                wanted[key, uid] = found
                if "deletionTimestamp" in found["metadata"] and uid not in self._releases:
                    self._releases[uid] = asyncio.create_task(self._release(key))
        for gone in self._forwarders.keys() - wanted.keys():
            for forwarder in self._forwarders.pop(gone):
                forwarder.close()
        for identity, found in wanted.items():
            if identity not in self._forwarders:
                self._forwarders[identity] = await self._serve(identity[0], found)

    async def _serve(self, key: Key, found: Object) -> list[Forwarder]:
        address = self._addresses.take()
        forwarders = [Forwarder(self._store, key, port["port"]) for port in found["spec"]["ports"]]
        for forwarder in forwarders:
            await forwarder.listen(address)
        status = {"loadBalancer": {"ingress": [{"ip": address}]}}
        if found["spec"].get("type") == "LoadBalancer":
            self._store.write(key, lambda live: live["metadata"].update(finalizers=[FINALIZER]))
            self._store.write(key, lambda live: live.update(status=status), subresource="status")
        self._store.write(key, lambda live: live["spec"].update(clusterIP=address))
        return forwarders

    async def _release(self, key: Key) -> None:
        await asyncio.sleep(self.release_seconds)
        self._store.delete(key)


class Forwarder:
    """One port of a Service. New connections go to its ready pods in turn; open ones stay where they are."""

    def __init__(self, store: Store, key: Key, port: int) -> None:
        self._store = store
        self._key = key
        self._port = port
        self._turn = itertools.count()
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, address: str) -> None:
        """Take the port; raises `OSError`."""
        self._server = await asyncio.start_server(self._forward, sock=listen(address, self._port))

    def close(self) -> None:
        """End, with all connections."""
        self._server.close()
        for task in self._connections:
            task.cancel()

    def _target(self) -> tuple[str, int] | None:
        service = self._store.peek(self._key)
        if service is None:
            return None
        spec = service["spec"]
        wanted = spec["selector"].items()
        pods = [pod for pod in self._store.peek_all("pods", self._key.namespace) if is_ready(pod)]
        pods = [pod for pod in pods if wanted <= pod["metadata"]["labels"].items()]
        if not pods:
            return None
        pod = pods[next(self._turn) % len(pods)]
        port = next(port for port in spec["ports"] if port["port"] == self._port)
        return pod["status"]["podIP"], number_of(pod, port.get("targetPort", self._port))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._connections.add(task)
        try:
            if target := self._target():
                await join(reader, writer, target)
        except OSError:
            pass  # The pod went; to its client that is a broken connection.
        finally:
            await end(writer)
            if task:
                self._connections.discard(task)


async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int]) -> None:
    """Be a client's connection to a pod until both sides have ended."""
    back, forth = await asyncio.open_connection(*target)
    try:
        await asyncio.gather(pipe(reader, forth), pipe(back, writer))
    finally:
        await end(forth)


async def end(writer: asyncio.StreamWriter) -> None:
    """Close one side."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction to its end, and end the other side's too."""
    try:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                writer.write(chunk)
                await writer.drain()
    finally:
        with suppress(OSError):
            writer.write_eof()


def number_of(pod: Object, port: int | str) -> int:
    """A pod's port by number or name."""
    if isinstance(port, int):
        return port
    declared = [found for container in pod["spec"]["containers"] for found in container.get("ports", ())]
    number: int = next(found["containerPort"] for found in declared if found.get("name") == port)
    return number
