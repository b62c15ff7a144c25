"""What a cluster does by itself: stateful sets have their pods, autoscalers keep their limits.

Rolling updates follow the StatefulSet controller: one pod at a time from the highest ordinal down, and no further
while one is not ready. Autoscalers see no load here; they only hold a set between its minimum and maximum.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from tests.emulator.kubernetes_store import ApiError, Key, Object, Store

RETRY_SECONDS: Final = 0.2
REVISION: Final = "controller-revision-hash"


async def control(store: Store) -> None:
    """Bring the store's objects to what they ask for, until cancelled."""
    while True:
        changed = store.changed
        for autoscaler in store.peek_all("horizontalpodautoscalers"):
            hold_limits(store, autoscaler)
        for found in store.peek_all("statefulsets"):
            StatefulSet(store, found).reconcile()
        collect(store)
        try:
            await asyncio.wait_for(changed.wait(), RETRY_SECONDS)
        except TimeoutError:
            continue


class StatefulSet:
    """One look at a stateful set and its pods."""

    def __init__(self, store: Store, found: Object) -> None:
        self._store = store
        self._found = found
        self._name = found["metadata"]["name"]
        self._namespace = found["metadata"]["namespace"]
        self._revision = f"{self._name}-{revision_of(found['spec']['template'])}"
        self._pods = {ordinal_of(pod): pod for pod in store.peek_all("pods", self._namespace) if owned(pod, found)}

    def reconcile(self) -> None:
        """Create what is missing, end what is too much, replace at most one outdated pod, and report."""
        replicas = self._found["spec"]["replicas"]
        for ordinal in range(replicas):
            if ordinal not in self._pods:
                self._create(ordinal)
        for ordinal in self._pods:
            if ordinal >= replicas:
                self._delete(ordinal)
        self._roll(replicas)
        self._report()

    def _roll(self, replicas: int) -> None:
        for ordinal in reversed(range(replicas)):
            pod = self._pods.get(ordinal)
            if pod is None or "deletionTimestamp" in pod["metadata"]:
                return
            if pod["metadata"]["labels"][REVISION] != self._revision:
                self._delete(ordinal)
                return
            if not is_ready(pod):
                return

    def _create(self, ordinal: int) -> None:
        template, name = self._found["spec"]["template"], f"{self._name}-{ordinal}"
        claims = [claim["metadata"]["name"] for claim in self._found["spec"].get("volumeClaimTemplates", ())]
        metadata = template.get("metadata", {})
        labels = metadata.get("labels", {}) | {REVISION: self._revision, "statefulset.kubernetes.io/pod-name": name}
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": self._name, "controller": True}
        annotations = metadata.get("annotations", {}) | {
            f"emulator/claim-{claim}": f"{claim}-{name}" for claim in claims
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [owner | {"uid": self._found["metadata"]["uid"]}],
            },
            "spec": template["spec"],
        }
        self._store.create(Key("pods", self._namespace, name), pod)

    def _delete(self, ordinal: int) -> None:
        delete_pod(self._store, self._pods[ordinal])

    def _report(self) -> None:
        current = [pod for pod in self._pods.values() if pod["metadata"]["labels"][REVISION] == self._revision]
        ready = [pod for pod in self._pods.values() if is_ready(pod)]
        before = self._found.get("status", {})
        done = len(current) == len(self._pods) == len(ready) == self._found["spec"]["replicas"]
        status = {
            "observedGeneration": self._found["metadata"]["generation"],
            "replicas": len(self._pods),
            "readyReplicas": len(ready),
            "availableReplicas": len(ready),
            "updatedReplicas": len(current),
            "updateRevision": self._revision,
            "currentRevision": self._revision if done else before.get("currentRevision", self._revision),
        }
        if status != before:
            key = Key("statefulsets", self._namespace, self._name)
            self._store.write(key, lambda live: live.update(status=status), subresource="status")


def hold_limits(store: Store, autoscaler: Object) -> None:
    """Scale the target into the autoscaler's limits; a target with no replicas is left alone."""
    spec, namespace = autoscaler["spec"], autoscaler["metadata"]["namespace"]
    key = Key("statefulsets", namespace, spec["scaleTargetRef"]["name"])
    target = store.peek(key)
    if target is None or target["spec"]["replicas"] == 0:
        return
    replicas = min(max(target["spec"]["replicas"], spec.get("minReplicas", 1)), spec["maxReplicas"])
    if replicas != target["spec"]["replicas"]:
        store.write(key, lambda live: live["spec"].update(replicas=replicas), subresource="scale")


def collect(store: Store) -> None:
    """End pods whose stateful set is gone."""
    sets = {found["metadata"]["uid"] for found in store.peek_all("statefulsets")}
    for pod in store.peek_all("pods"):
        owners = pod["metadata"].get("ownerReferences", ())
        if owners and not any(owner["uid"] in sets for owner in owners):
            delete_pod(store, pod)


def delete_pod(store: Store, pod: Object) -> None:
    """Ask a pod to end, once."""
    from tests.emulator.kubernetes_api import mark_deleted

    if "deletionTimestamp" in pod["metadata"]:
        return
    grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
    key = Key("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
    try:
        store.write(key, lambda live: mark_deleted(live, grace))
    except ApiError:
        return  # It went meanwhile.


def owned(pod: Object, owner: Object) -> bool:
    """Whether the pod belongs to this owner."""
    return any(ref["uid"] == owner["metadata"]["uid"] for ref in pod["metadata"].get("ownerReferences", ()))


def ordinal_of(pod: Object) -> int:
    """The number at the end of a pod's name."""
    return int(pod["metadata"]["name"].rpartition("-")[2])


def is_ready(pod: Object) -> bool:
    """Whether a pod may get requests."""
    conditions = pod.get("status", {}).get("conditions", ())
    ready = any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def revision_of(template: Object) -> str:
    """The hash that tells revisions of a template apart."""
    return hashlib.sha256(repr(template).encode()).hexdigest()[:10]
