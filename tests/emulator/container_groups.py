"""The container groups that run: their processes, restarts, events and volumes."""

from __future__ import annotations

import asyncio
import base64
import shutil
from pathlib import Path
from typing import Any, Final

from tests.emulator.containers import SERVE, Container, ContainerSpec, now
from tests.emulator.files import write_files
from tests.emulator.images import ImageStore
from tests.emulator.resources import Resource
from tests.emulator.runtime import Runtime
from tests.emulator.world import World

TICK_SECONDS: Final = 0.05
STOP_SECONDS: Final = 10.0
FIRST_BACKOFF_SECONDS: Final = 0.05
LONGEST_BACKOFF_SECONDS: Final = 5.0


class Group:
    """One group. `properties` hold its secure values too."""

    def __init__(self, path: str, properties: Resource, address: str) -> None:
        self.path = path
        self.properties = properties
        self.address = address
        self.containers: dict[str, Container] = {}
        self.state = "Pending"
        self._events: dict[str, list[dict[str, object]]] = {}
        self._restart_at: dict[str, float] = {}

    def begin(self, images: ImageStore, folder: Path, machine: dict[str, str]) -> None:
        """Start every container."""
        for declared in self.properties["containers"]:
            name, properties = declared["name"], declared["properties"]
            context = images.locate(properties["image"])
            if context is None:
                raise RuntimeError(f"{properties['image']} went meanwhile")
            ports = [port["port"] for port in properties.get("ports", ())]
            mounts = {
                mount["mountPath"]: self._volume(mount["name"], folder)
                for mount in properties.get("volumeMounts", ())
            }
            spec = ContainerSpec(
                name,
                context,
                self.address,
                ports[0] if ports else None,
                properties.get("command") or SERVE,
                {each["name"]: variable(each) for each in properties.get("environmentVariables", ())},
                machine,
                mounts,
            )
            self.containers[name] = Container(spec, folder / f"{name}.log")
            self.tell(name, "Normal", "Pulled", f'Successfully pulled image "{properties["image"]}"')
            self.containers[name].start()
            self.tell(name, "Normal", "Started", "Started container")
        self.state = "Running"

    async def run(self) -> None:
        """Start ended containers again, until cancelled."""
        while True:
            for name, container in self.containers.items():
                if container.exit_code is not None:
                    self._restart(name, container)
            await asyncio.sleep(TICK_SECONDS)

    async def end(self) -> None:
        """Stop every container, gracefully at first."""
        for container in self.containers.values():
            container.terminate()
        clock = asyncio.get_running_loop().time
        end = clock() + STOP_SECONDS
        while any(container.pid for container in self.containers.values()) and clock() < end:
            await asyncio.sleep(TICK_SECONDS)
        for container in self.containers.values():
            container.kill()
        self.state = "Stopped"

    def view(self, name: str) -> dict[str, object]:
        """The instance view of one container."""
        container = self.containers[name]
        code = container.exit_code
        ended = {"state": "Terminated", "exitCode": code, "finishTime": container.finished, "detailStatus": "Error"}
        running = {"state": "Running", "startTime": container.started, "detailStatus": ""}
        waiting = {"state": "Waiting", "detailStatus": "CrashLoopBackOff: Back-off restarting failed"}
        view: dict[str, object] = {"restartCount": max(container.restarts, 0), "events": self._events.get(name, [])}
        if code is None:
            return view | {"currentState": running}
        if self.state == "Running":
            return view | {"currentState": waiting, "previousState": ended}
        return view | {"currentState": ended}

    def tell(self, name: str, kind: str, reason: str, message: str) -> None:
        """Add an event of a container."""
        seen = now()
        event = {"count": 1, "firstTimestamp": seen, "lastTimestamp": seen, "name": reason, "message": message}
        self._events.setdefault(name, []).append(event | {"type": kind})

    def _restart(self, name: str, container: Container) -> None:
        clock = asyncio.get_running_loop().time()
        if name not in self._restart_at:
            pause = min(FIRST_BACKOFF_SECONDS * 2**container.restarts, LONGEST_BACKOFF_SECONDS)
            self._restart_at[name] = clock + (pause if container.restarts else 0.0)
            self.tell(name, "Warning", "Killing", f"Container {name} ended with exit code {container.exit_code}")
        if clock >= self._restart_at[name]:
            del self._restart_at[name]
            container.start()
            self.tell(name, "Normal", "Started", "Started container")

    def _volume(self, name: str, folder: Path) -> Path:
        declared = next(volume for volume in self.properties["volumes"] if volume["name"] == name)
        if "azureFile" in declared:
            share = folder.parent / "shares" / str(declared["azureFile"]["shareName"])
            share.mkdir(parents=True, exist_ok=True)
            return share
        volume = folder / "volumes" / name
        volume.mkdir(parents=True, exist_ok=True)
        secret = declared.get("secret") or {}
        write_files(volume, {file: base64.b64decode(value) for file, value in secret.items()})
        return volume


class Groups:
    """The part of the world that holds every group by its resource id."""

    def __init__(self, world: World) -> None:
        self._images = world.part(ImageStore)
        self._runtime = world.part(Runtime)
        self._known: dict[str, Group] = {}
        self._addresses: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def find(self, path: str) -> Group | None:
        """The group that runs, or that was stopped."""
        return self._known.get(path.lower())

    def address_of(self, path: str) -> str:
        """A group's address, which stays as long as its name does: it stands in for the DNS name."""
        return self._addresses.setdefault(path.lower(), self._runtime.addresses.take())

    def replace(self, group: Group) -> None:
        """Run this group instead of the one that had its name."""
        self._runtime.do(self._replace(group))

    def start(self, group: Group) -> None:
        """Run a stopped group again."""
        self._runtime.do(self._begin(group))

    def stop(self, group: Group) -> None:
        """End a group's containers; it keeps its place."""
        self._runtime.do(self._end(group))

    def remove(self, group: Group) -> None:
        """End a group for good."""
        self._runtime.do(self._remove(group))

    async def _replace(self, group: Group) -> None:
        before = self.find(group.path)
        if before:
            await self._end(before)
        self._known[group.path.lower()] = group
        await self._begin(group)

    async def _begin(self, group: Group) -> None:
        group.begin(self._images, self._folder(group), self._runtime.machine)
        self._tasks[group.path.lower()] = self._runtime.keep(self._watch(group))

    async def _watch(self, group: Group) -> None:
        try:
            await group.run()
        finally:
            for container in group.containers.values():
                if group.state == "Running":
                    container.kill()

    async def _end(self, group: Group) -> None:
        if task := self._tasks.pop(group.path.lower(), None):
            group.state = "Stopping"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await group.end()

    async def _remove(self, group: Group) -> None:
        await self._end(group)
        self._known.pop(group.path.lower(), None)
        shutil.rmtree(self._folder(group), ignore_errors=True)

    def _folder(self, group: Group) -> Path:
        return self._runtime.folder / "groups" / group.path.rsplit("/", 1)[1]


def variable(declared: dict[str, Any]) -> str:
    """The value of an environment variable, secure or not."""
    return str(declared.get("secureValue", declared.get("value", "")))
