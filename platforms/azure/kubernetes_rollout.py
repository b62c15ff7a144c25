"""Watching the replicas of a stateful set until they run what it asks for, and saying why they do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from platforms.azure.kubernetes_objects import EVENT, POD, STATEFUL_SET, Objects
from platforms.azure.templates import Manifest
from platforms.errors import NotReadyError

LOOK_SECONDS: Final = 1.0
"""The watch tells of the set's own changes at once; pods are looked at so often in any case."""
CRASHES: Final = 3
"""Restarts after which a new replica is given up."""
HOPELESS: Final = ("ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName")
"""Reasons for waiting that a new replica does not recover from."""
LAST_EVENTS: Final = 5
LAST_LINES: Final = 20
ANNOTATION: Final = "ridgeline.dev/"
REVISION: Final = "controller-revision-hash"


class OvertakenError(NotReadyError):
    """Somebody else gave the set something else to serve; what they did must stay."""


@dataclass(frozen=True)
class Rollout:
    """The replicas of one stateful set. `wanted` is the reference of the image that they shall run."""

    objects: Objects
    namespace: str
    name: str
    wanted: str

    def wait(self, minimum: int, seconds: float) -> None:
        """Return when all replicas, at least `minimum`, run it; raises `NotReadyError` with events and last lines.

        Raises `OvertakenError` if the set no longer shall run it.
        """
        end = time.monotonic() + seconds
        while True:
            found = self._found()
            if is_complete(found, minimum):
                return
            pods = self._pods(found)
            if reason := next((reason for pod in pods for reason in hopeless(pod)), None):
                raise NotReadyError(f"{self.name}: {reason}\n{self._explain(pods)}")
            left = end - time.monotonic()
            if left <= 0:
                raise NotReadyError(f"{self.name}: {progress(found)} in {seconds:g} s\n{self._explain(pods)}")
            self.objects.await_change(STATEFUL_SET, found, min(left, LOOK_SECONDS))

    def delete_stuck(self, image: str) -> None:
        """Delete the pods that cannot run this image: the controller waits for them for ever."""
        for pod in self._of_set():
            if not is_ready(pod) and any(part["image"] == image for part in pod["spec"]["containers"]):
                self.objects.delete(POD, self.namespace, pod["metadata"]["name"])

    def await_gone(self, seconds: float) -> bool:
        """Whether no pod of the set is left in time."""
        end = time.monotonic() + seconds
        while pods := self._of_set():
            if time.monotonic() > end:
                return False
            self.objects.await_change(POD, pods[0], LOOK_SECONDS)
        return True

    def _found(self) -> Manifest:
        found = self.objects.find(STATEFUL_SET, self.namespace, self.name)
        if found is None:
            raise OvertakenError(f"{self.name} was deleted meanwhile: apply again")
        now = found["metadata"]["annotations"][f"{ANNOTATION}image"]
        if now != self.wanted:
            raise OvertakenError(f"{self.name} was given {now} to serve meanwhile: apply again")
        return found

    def _pods(self, found: Manifest) -> list[Manifest]:
        """The pods of the newest revision that are not ready."""
        revision = found.get("status", {}).get("updateRevision")
        newest = [pod for pod in self._of_set() if pod["metadata"]["labels"].get(REVISION) == revision]
        return [pod for pod in newest if not is_ready(pod)]

    def _of_set(self) -> list[Manifest]:
        instance, _, track = self.name.rpartition("-")
        selector = f"app.kubernetes.io/instance={instance},{ANNOTATION}track={track}"
        return self.objects.list(POD, self.namespace, labelSelector=selector)

    def _explain(self, pods: list[Manifest]) -> str:
        return "\n".join(part for pod in pods for part in self._told(pod)) or "no pod of the new image exists"

    def _told(self, pod: Manifest) -> Iterator[str]:
        name = pod["metadata"]["name"]
        events = self.objects.list(EVENT, self.namespace, fieldSelector=f"involvedObject.name={name}")
        newest = sorted(events, key=lambda event: event.get("lastTimestamp") or "")[-LAST_EVENTS:]
        yield from (f"pod {name}: {event.get('reason')}: {event.get('message')}" for event in newest)
        for container in statuses(pod):
            if not container["ready"]:
                lines = self.objects.logs(self.namespace, name, container["name"], LAST_LINES)
                yield f"pod {name}, last lines of {container['name']}:\n{lines.rstrip()}"


def is_complete(found: Manifest, minimum: int) -> bool:
    """Whether the controller has seen the set as it is, and all of its pods are of it and ready."""
    status, metadata = found.get("status", {}), found["metadata"]
    wanted = max(found["spec"]["replicas"], minimum)
    counts = {status.get(name, 0) for name in ("replicas", "readyReplicas", "updatedReplicas")}
    seen = status.get("observedGeneration", 0) >= metadata["generation"]
    return seen and counts == {wanted} and status.get("currentRevision") == status.get("updateRevision")


def progress(found: Manifest) -> str:
    """How far a rollout came."""
    status = found.get("status", {})
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    return f"of {found['spec']['replicas']} replicas {updated} have the new image and {ready} are ready"


def hopeless(pod: Manifest) -> Iterator[str]:
    """Why a pod will not become ready; nothing while it still may."""
    for container in statuses(pod):
        waiting = container.get("state", {}).get("waiting", {})
        reason, crashes = waiting.get("reason"), container.get("restartCount", 0)
        if reason in HOPELESS:
            yield f"pod {pod['metadata']['name']}: {waiting.get('message') or reason}"
        elif reason == "CrashLoopBackOff" and crashes >= CRASHES:
            yield f"pod {pod['metadata']['name']}: {container['name']} ended {crashes + 1} times"


def statuses(pod: Manifest) -> list[Manifest]:
    """The states of a pod's containers, sidecars included."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def is_ready(pod: Manifest) -> bool:
    """Whether a pod gets requests."""
    conditions = pod.get("status", {}).get("conditions", ())
    ready = any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]
