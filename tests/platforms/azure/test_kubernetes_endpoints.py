from __future__ import annotations

import json
import os
import signal
import urllib.error
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from platforms.azure import manifests
from platforms.azure.endpoint_names import Track
from platforms.azure.kubernetes_access import connect
from platforms.azure.kubernetes_endpoints import KubernetesEndpoints
from platforms.azure.kubernetes_objects import AUTOSCALER, POD, SERVICE, STATEFUL_SET, Objects
from platforms.azure.kubernetes_rollout import OvertakenError, is_ready
from platforms.azure.settings import AzureSettings
from platforms.errors import ConflictError, NotFoundError, NotReadyError, PlatformError
from platforms.values import EndpointSpec, EndpointStatus
from tests.emulator.clusters import Clusters
from tests.emulator.faults import PASSING, Fault
from tests.emulator.kubernetes_store import Key
from tests.emulator.world import World
from tests.platforms.azure.endpoint_bench import Bench, Load, wait_for


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

    def pods(self) -> list[str]:
        """Names of the pods that exist."""
        return [pod["metadata"]["name"] for pod in self._pods()]

    def versions(self) -> list[str]:
        """Versions of the pods: another one means that something was written."""
        return [pod["metadata"]["resourceVersion"] for pod in self._pods()]

    def ready(self) -> int:
        """How many pods get requests."""
        return sum(map(is_ready, self._pods()))

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


@pytest.fixture
def bench(world: World, azure: AzureSettings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[AksBench]:
    changes = {"ship_logs": False, "replica_timeout": 30.0, "drain_timeout": 1.0, "min_replicas": 1}
    settings = azure.model_copy(update=changes)
    made = AksBench(world, settings, tmp_path, f"r{zlib.crc32(request.node.name.encode())}")
    yield made
    made.endpoints.withdraw(made.recipe, "prod")


@pytest.fixture
def pair(bench: AksBench) -> AksBench:
    """The same with two replicas, as it is by default."""
    bench.settings = bench.settings.model_copy(update={"min_replicas": 2})
    bench.endpoints = bench.forcing()
    return bench


def test_applied_means_served_by_every_replica(pair: AksBench) -> None:
    assert pair.endpoints.status(pair.recipe, "prod") is None
    status = pair.endpoints.apply(pair.spec(1))
    assert pair.endpoints.status(pair.recipe, "prod") == status
    assert pair.predict(status) == 1.0
    assert pair.pods() == [f"{pair.name}-stable-0", f"{pair.name}-stable-1"]


def test_a_second_apply_changes_nothing_and_a_new_image_replaces_one_replica_after_the_other(pair: AksBench) -> None:
    status = pair.endpoints.apply(pair.spec(1))
    before = pair.versions()
    assert pair.endpoints.apply(pair.spec(1)) == status
    assert pair.versions() == before
    with Load(pair, status) as load:
        changed = pair.endpoints.apply(pair.spec(2))
        wait_for(lambda: 2.0 in load.answers)
    assert changed.url == status.url
    assert pair.predict(changed) == 2.0
    assert set(load.answers) == {1.0, 2.0}
    assert load.errors == []


def test_an_image_that_does_not_start_is_undone_and_told_with_events_and_last_lines(pair: AksBench) -> None:
    before = pair.endpoints.apply(pair.spec(1))
    told = rf"(?s){pair.recipe}:1 still serves.*BackOff.*model/weights.json has sha256"
    with Load(pair, before) as load, pytest.raises(NotReadyError, match=told):
        pair.endpoints.apply(pair.broken(2))
    assert pair.endpoints.status(pair.recipe, "prod") == before
    assert load.errors == []
    assert set(load.answers) == {1.0}
    assert pair.predict(pair.endpoints.apply(pair.spec(3))) == 3.0


def test_a_replica_that_never_becomes_ready_is_undone_when_its_time_is_over(bench: AksBench) -> None:
    before = bench.endpoints.apply(bench.spec(1))
    bench.settings = bench.settings.model_copy(update={"replica_timeout": 5.0})
    told = r"(?s):1 still serves.*of 1 replicas 1 have the new image and 0 are ready in 5 s.*waiting for nothing"
    with pytest.raises(NotReadyError, match=told):
        bench.forcing().apply(bench.hanging(2))
    assert bench.predict(before) == 1.0


def test_after_a_killed_apply_it_is_still_known_what_served(bench: AksBench) -> None:
    before = bench.endpoints.apply(bench.spec(1))
    bench.endpoints._tracks.apply(bench.missing(2), "stable", 1)
    wait_for(lambda: bench.ready() == 0)
    status = bench.endpoints.status(bench.recipe, "prod")
    assert status is not None
    assert (status.image, status.ready) == (before.image, False)
    with pytest.raises(NotReadyError, match=":1 still serves"):
        bench.endpoints.apply(bench.missing(2))
    assert bench.predict(before) == 1.0


def test_an_image_that_cannot_be_pulled_leaves_nothing_if_nothing_served(bench: AksBench) -> None:
    with pytest.raises(NotReadyError, match=r"(?s)nothing serves.*Failed to pull image .*: not found"):
        bench.endpoints.apply(bench.missing(1))
    assert bench.endpoints.status(bench.recipe, "prod") is None
    assert bench.pods() == []


def test_fields_that_somebody_else_changed_end_the_release_unless_they_shall_be_taken_over(bench: AksBench) -> None:
    status = bench.endpoints.apply(bench.spec(1))
    change = {"spec": {"externalTrafficPolicy": "Local"}}
    bench.objects.patch(SERVICE, "ridgeline", bench.name, change, "kubectl-edit")
    taken = r"kubectl-edit.*externalTrafficPolicy.*RIDGELINE_AZURE_KUBERNETES_FORCE"
    with pytest.raises(ConflictError, match=taken):
        bench.endpoints.apply(bench.spec(2))
    assert bench.predict(status) == 1.0
    assert bench.predict(bench.forcing().apply(bench.spec(2))) == 2.0


def test_a_killed_replica_comes_back(bench: AksBench) -> None:
    status = bench.endpoints.apply(bench.spec(1))
    killed = bench.process(f"{bench.name}-stable-0")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: bench.process(f"{bench.name}-stable-0") not in (None, killed))
    wait_for(lambda: bench.ready() == 1)
    assert bench.predict(status) == 1.0
    bench.objects.delete(POD, "ridgeline", f"{bench.name}-stable-0")
    wait_for(lambda: bench.ready() == 0)
    wait_for(lambda: bench.ready() == 1)


def test_watches_that_break_off_delay_nothing_for_long(bench: AksBench) -> None:
    bench.cluster.api.drop_watches_after = 0.05
    try:
        assert bench.predict(bench.endpoints.apply(bench.spec(1))) == 1.0
    finally:
        bench.cluster.api.drop_watches_after = None


def test_throttled_and_failing_requests_are_sent_again(bench: AksBench, world: World) -> None:
    faults = [Fault(kind, path="/clusters/", times=1) for kind in PASSING]
    with world.faults.on(*faults):
        assert bench.predict(bench.endpoints.apply(bench.spec(1))) == 1.0
    assert [fault.hits for fault in faults] == [1, 1, 1, 1]


def test_a_canary_serves_beside_stable_and_the_autoscaler_waits(bench: AksBench) -> None:
    status = bench.endpoints.apply(bench.spec(1))
    bench.scale("stable", 2)
    bench.endpoints.try_canary(bench.spec(2), 1)
    assert bench.limits() == (2, 2)
    assert len(bench.pods()) == 3
    wait_for(lambda: {bench.predict(status) for _ in range(4)} == {1.0, 2.0})
    assert bench.endpoints.status(bench.recipe, "prod") == status
    bench.endpoints.end_canary(bench.spec(1))
    assert bench.limits() == (1, 6)
    assert {bench.predict(status) for _ in range(4)} == {1.0}
    assert bench.replicas("stable") == 2


def test_a_canary_that_does_not_start_is_gone_again(bench: AksBench) -> None:
    status = bench.endpoints.apply(bench.spec(1))
    with pytest.raises(NotReadyError, match=r"(?s)canary .* is gone again.*weights.json"):
        bench.endpoints.try_canary(bench.broken(2), 1)
    assert (bench.limits(), len(bench.pods())) == ((1, 6), 1)
    assert bench.predict(status) == 1.0


def test_an_apply_leaves_the_number_of_replicas_to_the_autoscaler(bench: AksBench) -> None:
    bench.endpoints.apply(bench.spec(1))
    bench.scale("stable", 2)
    bench.endpoints.apply(bench.spec(2))
    assert (bench.replicas("stable"), bench.replicas("canary")) == (2, 0)


def test_a_number_that_a_killed_apply_still_owns_is_handed_over(bench: AksBench) -> None:
    spec = bench.spec(1)
    manifest = manifests.stateful_set(spec, bench.settings, "ridgeline", "canary", bench.locate(spec.image))
    bench.endpoints._apply_shared(spec)
    bench.objects.apply(manifest | {"spec": manifest["spec"] | {"replicas": 0}})
    bench.endpoints._tracks.apply(spec, "canary", 0)
    assert bench.replicas("canary") == 0


def test_what_kubernetes_cannot_change_is_told_and_what_serves_stays(bench: AksBench) -> None:
    status = bench.endpoints.apply(bench.spec(1))
    bench.settings = bench.settings.model_copy(update={"log_volume": "9Gi"})
    with pytest.raises(PlatformError, match=r"refuses PATCH .*/statefulsets/.* with 422: .* are forbidden"):
        bench.forcing().apply(bench.spec(2))
    assert bench.predict(status) == 1.0


def test_keys_reach_the_service_as_a_file_and_change_without_a_restart(bench: AksBench) -> None:
    status = bench.endpoints.apply(bench.spec(1))
    pids = [bench.process(pod) for pod in bench.pods()]
    keys = bench.secrets.get(status.key_secret)
    written = bench.objects.list(STATEFUL_SET, "ridgeline") + bench.objects.list(POD, "ridgeline")
    assert keys.split()[1] not in json.dumps(written)
    file = bench.secrets._path(status.key_secret)
    file.write_text(f"{keys}second new-key\n")
    bench.endpoints.apply(bench.spec(1))
    file.write_text("second new-key\n")
    wait_for(lambda: predicts(bench, status))
    assert [bench.process(pod) for pod in bench.pods()] == pids


def test_the_shipper_starts_before_and_ends_after_the_service_on_a_volume_that_stays(bench: AksBench) -> None:
    bench.settings = bench.settings.model_copy(update={"ship_logs": True})
    bench.endpoints = bench.forcing()
    status = bench.endpoints.apply(bench.with_shipper(1))
    bench.predict(status)
    bench.endpoints.withdraw(bench.recipe, "prod")
    log = bench.cluster.node.folder / "claims" / "ridgeline" / f"log-{bench.name}-stable-0"
    start, end = (json.loads((log / f"{name}.json").read_text()) for name in ("start", "end"))
    assert start["files"] == []
    assert [name.endswith(".jsonl") for name in end["files"]] == [True]
    assert start["environment"]["RIDGELINE_AZURE_STORAGE_ENDPOINT"] == bench.settings.blob_endpoint
    assert bench.predict(bench.endpoints.apply(bench.spec(1))) == 1.0
    assert len(list((log / "requests").glob("*.jsonl"))) == 1


def test_of_two_applies_at_once_one_wins_and_the_other_is_told(bench: AksBench) -> None:
    bench.endpoints.apply(bench.spec(1))
    specs = [bench.spec(2), bench.spec(3)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda spec: outcome(bench, spec), specs))
    status = bench.endpoints.status(bench.recipe, "prod")
    assert status is not None
    assert bench.predict(status) == status.model_version
    assert status.model_version in results


def test_without_a_cluster_the_next_step_is_named(bench: AksBench) -> None:
    objects = Objects(lambda: connect(bench.settings, "nowhere"), "nowhere", force=False)
    with pytest.raises(NotFoundError, match=r"no AKS cluster nowhere.*RIDGELINE_AZURE_KUBERNETES_CLUSTER"):
        objects.list(POD, "ridgeline")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("error", path="/clusters/", status=500), r"cluster ridgeline refuses GET /api/.* with 500"),
        (Fault("error", path="/clusters/", status=403), r"with 403: .*see the roles in docs/azure\.md"),
        (Fault("drop", path="/clusters/"), r"cluster ridgeline does not answer GET /api/"),
    ],
)
def test_a_refusal_names_cluster_request_and_reason(bench: AksBench, world: World, fault: Fault, told: str) -> None:
    settings = bench.settings.model_copy(update={"retries": 0})
    objects = Objects(lambda: connect(settings, "ridgeline"), "ridgeline", force=False)
    with world.faults.on(fault), pytest.raises(PlatformError, match=told):
        objects.find(POD, "ridgeline", "x")


def test_what_is_missing_is_named(bench: AksBench) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "nowhere"}}
    with pytest.raises(NotFoundError, match=r"PATCH /api/v1/namespaces/nowhere/.*nowhere.* not found"):
        bench.objects.apply(manifest)
    assert "not found" in bench.objects.logs("ridgeline", "nobody", "scoring", 5)


def test_the_local_account_opens_a_cluster_unless_it_is_switched_off(bench: AksBench, world: World) -> None:
    settings = bench.settings.model_copy(update={"kubernetes_credentials": "admin"})
    objects = Objects(lambda: connect(settings, "ridgeline"), "ridgeline", force=False)
    assert objects.find(POD, "ridgeline", "nobody") is None
    path = f"{world.group_id}/providers/Microsoft.ContainerService/managedClusters/closed"
    world.resources.put(path, {"location": "westeurope", "properties": {"disableLocalAccounts": True}})
    closed = Objects(lambda: connect(settings, "closed"), "closed", force=False)
    with pytest.raises(PlatformError, match=r"admin credentials of AKS cluster closed.*disable local accounts"):
        closed.find(POD, "ridgeline", "nobody")


def predicts(bench: AksBench, status: EndpointStatus) -> bool:
    try:
        return bench.predict(status) == 1.0
    except urllib.error.HTTPError:
        return False


def outcome(bench: AksBench, spec: EndpointSpec) -> int | None:
    """The version that an apply brought about, None if another one overtook it."""
    try:
        return bench.endpoints.apply(spec).model_version
    except OvertakenError:
        return None
