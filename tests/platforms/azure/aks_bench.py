"""What tests of endpoints on AKS look at and do, as the cluster and its autoscaler would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platforms.azure.endpoint_names import Track
from platforms.azure.kubernetes_access import connect
from platforms.azure.kubernetes_endpoints import KubernetesEndpoints
from platforms.azure.kubernetes_objects import AUTOSCALER, POD, STATEFUL_SET, Objects
from platforms.azure.kubernetes_rollout import is_ready, statuses
from platforms.azure.settings import AzureSettings
from tests.emulator.clusters import Clusters
from tests.emulator.kubernetes_store import Key
from tests.emulator.world import World
from tests.platforms.azure.endpoint_bench import Bench
from tests.waiting import wait_for


class AksBench(Bench):
    """The same on AKS."""

    def __init__(self, world: World, settings: AzureSettings, folder: Path, recipe: str) -> None:
        super().__init__(world, settings, folder, recipe)
        self.cluster = world.part(Clusters).get("ridgeline")
        self.name = f"scoring-{recipe}"
        self.objects = self._objects(force=False)
        self.endpoints = self._endpoints(self.objects)

    def forcing(self) -> KubernetesEndpoints:
        """Endpoints that take over what somebody else changed."""
        return self._endpoints(self._objects(force=True))

    def changed(self, **changes: object) -> KubernetesEndpoints:
        """Endpoints with other settings."""
        self.settings = self.settings.model_copy(update=changes)
        return self._endpoints(self.objects)

    def pods(self) -> list[str]:
        """Names of the pods that exist."""
        return [pod["metadata"]["name"] for pod in self._pods()]

    def versions(self) -> list[str]:
        """Versions of the pods: another one means that something was written."""
        return [pod["metadata"]["resourceVersion"] for pod in self._pods()]

    def ready(self) -> int:
        """How many pods get requests."""
        return sum(map(is_ready, self._pods()))

    def waiting(self, reason: str) -> bool:
        """Whether a container waits for this reason."""
        states = [container.get("state", {}) for pod in self._pods() for container in statuses(pod)]
        return any(state.get("waiting", {}).get("reason") == reason for state in states)

    def process(self, pod: str) -> int | None:
        """The process of a pod's service."""
        found = self.cluster.node.pods.get(Key("pods", "ridgeline", pod))
        return found.containers["scoring"].pid if found else None

    def replicas(self, track: Track) -> int:
        """How many replicas a track shall have."""
        found = self.objects.find(STATEFUL_SET, "ridgeline", f"{self.name}-{track}")
        assert found is not None
        replicas: int = found["spec"]["replicas"]
        return replicas

    def scale(self, track: Track, replicas: int) -> None:
        """What the autoscaler does under load."""
        change = {"spec": {"replicas": replicas}}
        self.objects.patch(STATEFUL_SET, "ridgeline", f"{self.name}-{track}", change, "kube-controller-manager")
        wait_for(lambda: self.ready() == replicas)

    def limits(self) -> tuple[int, int]:
        """The autoscaler's."""
        found = self.objects.find(AUTOSCALER, "ridgeline", self.name)
        assert found is not None
        return found["spec"]["minReplicas"], found["spec"]["maxReplicas"]

    def _pods(self) -> list[dict[str, Any]]:
        return self.objects.list(POD, "ridgeline", labelSelector=f"app.kubernetes.io/instance={self.name}")

    def _objects(self, *, force: bool) -> Objects:
        return Objects(lambda: connect(self.settings, "ridgeline"), "ridgeline", force)

    def _endpoints(self, objects: Objects) -> KubernetesEndpoints:
        return KubernetesEndpoints(self.settings, objects, "ridgeline", self.secrets, self.locate)
