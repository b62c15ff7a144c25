"""Watching the replicas of a stateful set until they run what it asks for, and saying why they do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from platforms.azure.kubernetes_objects import EVENT, POD, STATEFUL_SET, Objects
from platforms.azure.templates import Manifest
from platforms.errors import NotReadyError, NotStartedError
from scoring_service.exit_codes import SURROUNDINGS

LOOK_SECONDS: Final = 1.0
"""The watch tells of the set's own changes at once; pods are looked at so often in any case."""
CRASHES: Final = 3
"""Restarts after which a new replica is given up."""
UNPULLED: Final = ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "RegistryUnavailable")
"""Reasons for waiting that a new replica has while it does not get its image; the kubelet goes on trying."""
LAST_EVENTS: Final = 5
LAST_LINES: Final = 20
ANNOTATION: Final = "ridgeline.dev/"
REVISION: Final = "controller-revision-hash"


class OvertakenError(NotStartedError):
    """Somebody else gave the set something else to serve; what they did must stay."""


@dataclass(frozen=True)
class Rollout:
    """The replicas of one stateful set.

    `wanted` is the reference of the image that they shall run, `pull_timeout` how many seconds pulling it may fail.
    """

    objects: Objects
    namespace: str
    name: str
    wanted: str
    pull_timeout: float = 0.0

    def wait(self, minimum: int, seconds: float) -> None:
        """Return when all replicas, at least `minimum`, run it; raises `NotReadyError` with events and last lines.

        Raises `NotStartedError` if no replica that is missing ever ran it, for want of the image, of a node or of
        usable settings, and `OvertakenError` if the set no longer shall run it.
        """
        pulled = time.monotonic()
        end = pulled + seconds
        while True:
            found = self._found()
            if is_complete(found, minimum):
                return
            pods, now = self._pods(found), time.monotonic()
            pulled = pulled if any(reason for pod in pods for reason in unpulled(pod)) else now
            self._check(pods, now - pulled)
            left = end - now
            if left <= 0:
                raise self._failure(f"{progress(found)} in {seconds:g} s", pods)
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

    def _check(self, pods: list[Manifest], unpulled_seconds: float) -> None:
        """Raise if waiting on is of no use."""
        for reason in (reason for pod in pods for reason in hopeless(pod)):
            raise self._failure(reason, pods)
        for reason in (reason for pod in pods for reason in unpulled(pod)):
            if unpulled_seconds >= self.pull_timeout:
                raise NotStartedError(self._explain(reason, pods))

    def _failure(self, reason: str, pods: list[Manifest]) -> NotReadyError:
        kind = NotReadyError if any(map(is_to_blame, pods)) else NotStartedError
        return kind(self._explain(reason, pods))

    def _explain(self, reason: str, pods: list[Manifest]) -> str:
        told = "\n".join(part for pod in pods for part in self._told(pod)) or "no pod of the new image exists"
        return f"{self.name}: {reason}\n{told}"

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
        crashes = container.get("restartCount", 0)
        if _waiting(container).get("reason") == "CrashLoopBackOff" and crashes >= CRASHES:
            yield f"pod {pod['metadata']['name']}: {container['name']} ended {crashes + 1} times"


def unpulled(pod: Manifest) -> Iterator[str]:
    """Why a pod does not get its images; nothing if it has them."""
    for waiting in map(_waiting, statuses(pod)):
        if waiting.get("reason") in UNPULLED:
            yield f"pod {pod['metadata']['name']}: {waiting.get('message') or waiting['reason']}"


def is_to_blame(pod: Manifest) -> bool:
    """Whether a container of a pod was ever started, and none said that it was given what it cannot use."""
    states = [container.get(name, {}) for container in statuses(pod) for name in ("lastState", "state")]
    if any(state.get("terminated", {}).get("exitCode") == SURROUNDINGS for state in states):
        return False
    return any("running" in state or "terminated" in state for state in states)


def _waiting(container: Manifest) -> Manifest:
    waiting: Manifest = container.get("state", {}).get("waiting", {})
    return waiting


def statuses(pod: Manifest) -> list[Manifest]:
    """The states of a pod's containers, sidecars included."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def is_ready(pod: Manifest) -> bool:
    """Whether a pod gets requests."""
    conditions = pod.get("status", {}).get("conditions", ())
    ready = any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]
