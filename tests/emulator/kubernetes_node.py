"""The node of a cluster, on which all of its pods run."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.emulator.containers import now
from tests.emulator.files import write_files
from tests.emulator.kubernetes_pods import Pod
from tests.emulator.kubernetes_store import Key, Store
from tests.emulator.runtime import Runtime, tell

Locate = Callable[[str], Path | None]
"""The context folder of an image by its reference, None if it cannot be pulled."""


class Node:
    """All pods of one cluster."""

    def __init__(self, store: Store, folder: Path, locate: Locate, runtime: Runtime) -> None:
        self.store = store
        self.folder = folder
        self.locate = locate
        self.addresses = runtime.addresses
        self.machine = runtime.machine
        self.pods: dict[Key, Pod] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._projected: dict[tuple[str, str, Path], str] = {}

    async def run(self) -> None:
        """Run every pod of the store until cancelled."""
        try:
            while True:
                changed = self.store.changed
                self._start_new()
                self._refresh_secrets()
                await changed.wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def logs(self, namespace: str, name: str, container: str | None, tail: int | None) -> str:
        """What a pod's container wrote."""
        pod = self.pods.get(Key("pods", namespace, name))
        return pod.logs(container, tail) if pod else ""

    def event(self, key: Key, uid: str, kind: str, reason: str, message: str) -> None:
        """Tell something about a pod."""
        about = {"kind": "Pod", "namespace": key.namespace, "name": key.name, "uid": uid, "apiVersion": "v1"}
        told = {"type": kind, "reason": reason, "message": message, "count": 1, "lastTimestamp": now()}
        name = f"{key.name}.{uuid.uuid4().hex[:16]}"
        event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": key.namespace}}
        self.store.create(Key("events", key.namespace, name), event | {"involvedObject": about} | told, "kubelet")

    def project(self, namespace: str, secret: str, folder: Path) -> None:
        """Write a secret's values as files; raises `ApiError` if there is no such secret."""
        found = self.store.get(Key("secrets", namespace, secret))
        values = {name: base64.b64decode(value) for name, value in found.get("data", {}).items()}
        values |= {name: value.encode() for name, value in found.get("stringData", {}).items()}
        self._projected[namespace, secret, folder] = found["metadata"]["resourceVersion"]
        write_files(folder, values)

    def _start_new(self) -> None:
        self._tasks = {key: task for key, task in self._tasks.items() if not task.done()}
        for found in self.store.peek_all("pods"):
            key = Key("pods", found["metadata"]["namespace"], found["metadata"]["name"])
            if key not in self._tasks:
                self.pods[key] = Pod(self, key, found)
                self._tasks[key] = asyncio.create_task(self.pods[key].run())
                self._tasks[key].add_done_callback(tell)

    def _refresh_secrets(self) -> None:
        for (namespace, secret, folder), version in list(self._projected.items()):
            found = self.store.peek(Key("secrets", namespace, secret))
            if not folder.exists():
                del self._projected[namespace, secret, folder]
            elif found and found["metadata"]["resourceVersion"] != version:
                self.project(namespace, secret, folder)
