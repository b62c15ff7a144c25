"""Pods as processes: started, probed, started again when they end, and ended gracefully."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.emulator.containers import SERVE, Container, ContainerSpec
from tests.emulator.kubernetes_store import ApiError, Key, Object
from tests.emulator.probes import answers

if TYPE_CHECKING:
    from tests.emulator.kubernetes_node import Node

TICK_SECONDS: Final = 0.05
FIRST_BACKOFF_SECONDS: Final = 0.05
LONGEST_BACKOFF_SECONDS: Final = 5.0


class Pod:
    """One pod on this node."""

    def __init__(self, node: Node, key: Key, found: Object) -> None:
        self.key = key
        self.uid = found["metadata"]["uid"]
        self.spec = found["spec"]
        self.containers: dict[str, Container] = {}
        self.folder = node.folder / "pods" / self.uid
        self._node = node
        self._address = node.addresses.take()
        self._waiting: dict[str, tuple[str, str]] = {}
        self._ready: dict[str, bool] = {}
        self._restart_at: dict[str, float] = {}

    async def run(self) -> None:
        """Live until the pod is deleted, then end and take the object away."""
        try:
            while (found := self._node.store.peek(self.key)) and found["metadata"]["uid"] == self.uid:
                if "deletionTimestamp" in found["metadata"]:
                    await self._end(found["metadata"]["deletionGracePeriodSeconds"])
                    self._node.store.delete(self.key)
                    return
                await self._tend()
                self._report()
                await asyncio.sleep(TICK_SECONDS)
        finally:
            self.kill()
            self._forget_volumes()

    def kill(self) -> None:
        """Kill every process."""
        for container in self.containers.values():
            container.kill()

    def logs(self, name: str | None, tail: int | None) -> str:
        """What a container wrote; the first one's without a name."""
        names = [container["name"] for container in self.spec["containers"]]
        found = self.containers.get(name or names[0])
        if found is None:
            reason = self._waiting.get(name or names[0], ("ContainerCreating", ""))[0]
            message = f'container "{name or names[0]}" in pod "{self.key.name}" is waiting to start: {reason}'
            raise ApiError(400, "BadRequest", message)
        return found.logs(tail)

    def _declared(self) -> list[Object]:
        """Containers in the order of their start: sidecars first."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    async def _tend(self) -> None:
        for declared in self._declared():
            name = declared["name"]
            if name not in self.containers:
                self._begin(declared)
            elif self.containers[name].exit_code is not None:
                self._restart(self.containers[name])
                continue  # It is told that the container ended before it is asked whether it is ready again.
            if name in self.containers:
                await self._probe(declared, self.containers[name])

    def _begin(self, declared: Object) -> None:
        context = self._node.locate(declared["image"])
        if context is None:
            image = f'image "{declared["image"]}"'
            told = f"Failed to pull {image}: not found"
            self._wait(declared["name"], "ImagePullBackOff", f"Back-off pulling {image}", "Failed", told)
            return
        try:
            mounts = {mount["mountPath"]: self._volume(mount["name"]) for mount in declared.get("volumeMounts", ())}
        except ApiError as error:
            self._wait(declared["name"], "ContainerCreating", error.message, "FailedMount", error.message)
            return
        ports = [port["containerPort"] for port in declared.get("ports", ())]
        spec = ContainerSpec(
            declared["name"],
            context,
            self._address,
            ports[0] if ports else None,
            declared.get("command", SERVE),
            {entry["name"]: self._value(entry) for entry in declared.get("env", ())},
            self._node.machine,
            mounts,
        )
        container = self.containers[declared["name"]] = Container(spec, self.folder / f"{declared['name']}.log")
        container.start()
        self._waiting.pop(declared["name"], None)
        self._node.event(self.key, self.uid, "Normal", "Started", f"Started container {declared['name']}")

    def _wait(self, name: str, reason: str, message: str, event: str, told: str) -> None:
        if self._waiting.get(name) != (reason, message):
            self._waiting[name] = (reason, message)
            self._node.event(self.key, self.uid, "Warning", event, told)

    def _restart(self, container: Container) -> None:
        name, clock = container.spec.name, asyncio.get_running_loop().time()
        self._ready[name] = False
        if name not in self._restart_at:
            pause = min(FIRST_BACKOFF_SECONDS * 2**container.restarts, LONGEST_BACKOFF_SECONDS)
            self._restart_at[name] = clock + (pause if container.restarts else 0.0)
            message = f"back-off {pause:g}s restarting failed container={name}"
            told = f"Back-off restarting failed container {name} in pod {self.key.name}"
            self._wait(name, "CrashLoopBackOff", message, "BackOff", told)
        if clock >= self._restart_at[name]:
            del self._restart_at[name]
            self._waiting.pop(name, None)
            container.start()

    async def _probe(self, declared: Object, container: Container) -> None:
        name, probe = declared["name"], declared.get("readinessProbe", {}).get("httpGet")
        running = container.exit_code is None
        if not running or probe is None or self._ready.get(name):
            self._ready[name] = running
            return
        self._ready[name] = await answers(container.spec.address, container.spec.port or 0, probe["path"])

    def _report(self) -> None:
        statuses = {declared["name"]: self._status(declared) for declared in self._declared()}
        sidecars = [declared["name"] for declared in self.spec.get("initContainers", ())]
        ready = all(status["ready"] for status in statuses.values())
        running = any(container.exit_code is None for container in self.containers.values())
        status = {
            "phase": "Running" if running else "Pending",
            "podIP": self._address,
            "conditions": [{"type": "Ready", "status": str(ready), "reason": "" if ready else "ContainersNotReady"}],
            "containerStatuses": [found for name, found in statuses.items() if name not in sidecars],
            "initContainerStatuses": [found for name, found in statuses.items() if name in sidecars],
        }
        live = self._node.store.peek(self.key)
        if live is not None and live.get("status") != status:
            self._node.store.write(self.key, lambda pod: pod.update(status=status), "kubelet", "status")

    def _status(self, declared: Object) -> Object:
        name = declared["name"]
        container = self.containers.get(name)
        state: Object = {"running": {"startedAt": container.started}} if container else {}
        last: Object = {}
        if container and container.exit_code is not None:
            last = {
                "terminated": {"exitCode": container.exit_code, "reason": "Error", "finishedAt": container.finished}
            }
            state = last
        if name in self._waiting:
            reason, message = self._waiting[name]
            state = {"waiting": {"reason": reason, "message": message}}
        restarts = max(container.restarts, 0) if container else 0
        rest = {"restartCount": restarts, "image": declared["image"], "state": state, "lastState": last}
        return {"name": name, "ready": self._ready.get(name, False)} | rest

    async def _end(self, grace: int) -> None:
        """What a node does: preStop, SIGTERM, and SIGKILL when the time is up; sidecars after the others."""
        if grace == 0:
            return
        end = asyncio.get_running_loop().time() + grace
        names = [declared["name"] for declared in self.spec["containers"]]
        seconds = max((stop_seconds(declared) for declared in self.spec["containers"]), default=0)
        await asyncio.sleep(min(seconds, grace))
        for group in (names, [name for name in self.containers if name not in names]):
            ending = [self.containers[name] for name in group if name in self.containers]
            for container in ending:
                container.terminate()
            while any(container.pid for container in ending) and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(TICK_SECONDS)

    def _value(self, entry: Object) -> str:
        field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        known = {
            "metadata.name": self.key.name,
            "metadata.namespace": self.key.namespace,
            "status.podIP": self._address,
        }
        return known[field] if field else str(entry.get("value", ""))

    def _volume(self, name: str) -> Path:
        """The folder of a volume; raises `ApiError` if its secret or config map is missing."""
        claims = self._node.store.get(self.key)["metadata"].get("annotations", {})
        if f"emulator/claim-{name}" in claims:
            folder = self._node.folder / "claims" / self.key.namespace / str(claims[f"emulator/claim-{name}"])
        else:
            folder = self.folder / "volumes" / name
            declared = next(volume for volume in self.spec["volumes"] if volume["name"] == name)
            if "secret" in declared:
                self._node.project(self.key.namespace, declared["secret"]["secretName"], folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _forget_volumes(self) -> None:
        shutil.rmtree(self.folder / "volumes", ignore_errors=True)


def stop_seconds(declared: Object) -> float:
    """How long a container's preStop hook sleeps."""
    hook: dict[str, Any] = declared.get("lifecycle", {}).get("preStop", {})
    return float(hook.get("sleep", {}).get("seconds", 0))
