from __future__ import annotations

import json
import os
import signal
import urllib.error

import pytest

from platforms.azure.kubernetes_objects import POD, SERVICE, STATEFUL_SET
from platforms.errors import ConflictError, PlatformError
from platforms.values import EndpointStatus
from tests.emulator.faults import PASSING, Fault
from tests.emulator.world import World
from tests.platforms.azure.aks_bench import AksBench
from tests.scoring_service.contexts import NAMES
from tests.waiting import wait_for


def test_applied_means_served_by_every_replica(aks_pair: AksBench) -> None:
    assert aks_pair.endpoints.status(aks_pair.recipe, "prod") is None
    status = aks_pair.endpoints.apply(aks_pair.spec(1))
    assert aks_pair.endpoints.status(aks_pair.recipe, "prod") == status
    assert aks_pair.predict(status) == 1.0
    assert aks_pair.pods() == [f"{aks_pair.name}-stable-0", f"{aks_pair.name}-stable-1"]


def test_qa_has_one_replica_whatever_prod_has(aks_pair: AksBench) -> None:
    aks_pair.endpoints.apply(aks_pair.spec(1, "qa"))
    assert (aks_pair.limits(), aks_pair.pods()) == ((1, 1), [f"{aks_pair.name}-stable-0"])


def test_fields_that_somebody_else_changed_end_the_release_unless_they_shall_be_taken_over(aks: AksBench) -> None:
    status = aks.endpoints.apply(aks.spec(1))
    change = {"spec": {"externalTrafficPolicy": "Local"}}
    aks.objects.patch(SERVICE, "ridgeline", aks.name, change, "kubectl-edit")
    taken = r"kubectl-edit.*externalTrafficPolicy.*RIDGELINE_AZURE_KUBERNETES_FORCE"
    with pytest.raises(ConflictError, match=taken):
        aks.endpoints.apply(aks.spec(2))
    assert aks.predict(status) == 1.0
    assert aks.predict(aks.forcing().apply(aks.spec(2))) == 2.0


def test_settings_that_changed_are_missed_and_reach_every_replica_with_the_next_apply(
    aks: AksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    aks.endpoints.apply(aks.spec(1))
    assert aks.endpoints.is_applied(aks.spec(1))
    assert not aks.endpoints.is_applied(aks.spec(2))
    before = aks.process(f"{aks.name}-stable-0")
    monkeypatch.setenv("SCORING_LOG_REDACT", NAMES[0])
    assert not aks.endpoints.is_applied(aks.spec(1))
    aks.endpoints.apply(aks.spec(1))
    assert aks.endpoints.is_applied(aks.spec(1))
    assert aks.process(f"{aks.name}-stable-0") != before
    (pod,) = aks.objects.list(POD, "ridgeline", labelSelector=f"app.kubernetes.io/instance={aks.name}")
    assert {"name": "SCORING_LOG_REDACT", "value": NAMES[0]} in pod["spec"]["containers"][0]["env"]


@pytest.mark.long
def test_a_setting_that_the_service_would_not_take_is_told_before_anything_changes(
    aks: AksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = aks.endpoints.apply(aks.spec(1))
    process = aks.process(f"{aks.name}-stable-0")
    monkeypatch.setenv("SCORING_LOG_FAILURE", "hope")
    for version in (1, 2):
        with pytest.raises(PlatformError, match=r"SCORING_LOG_FAILURE.*'hope'.*mend it in the environment"):
            aks.endpoints.apply(aks.spec(version))
    assert (aks.process(f"{aks.name}-stable-0"), aks.predict(status)) == (process, 1.0)


@pytest.mark.long
def test_a_killed_replica_comes_back(aks: AksBench) -> None:
    status = aks.endpoints.apply(aks.spec(1))
    killed = aks.process(f"{aks.name}-stable-0")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: aks.process(f"{aks.name}-stable-0") not in (None, killed))
    wait_for(lambda: aks.ready() == 1)
    assert aks.predict(status) == 1.0
    aks.objects.delete(POD, "ridgeline", f"{aks.name}-stable-0")
    wait_for(lambda: aks.ready() == 0)
    wait_for(lambda: aks.ready() == 1)


@pytest.mark.long
def test_throttled_and_failing_requests_are_sent_again(aks: AksBench, world: World) -> None:
    faults = [Fault(kind, path="/clusters/", times=1) for kind in PASSING]
    with world.faults.on(*faults):
        assert aks.predict(aks.endpoints.apply(aks.spec(1))) == 1.0
    assert [fault.hits for fault in faults] == [1, 1, 1, 1]


@pytest.mark.long
def test_what_kubernetes_cannot_change_is_told_and_what_serves_stays(aks: AksBench) -> None:
    status = aks.endpoints.apply(aks.spec(1))
    aks.settings = aks.settings.model_copy(update={"log_volume": "9Gi"})
    with pytest.raises(PlatformError, match=r"refuses PATCH .*/statefulsets/.* with 422: .* are forbidden"):
        aks.forcing().apply(aks.spec(2))
    assert aks.predict(status) == 1.0


def test_keys_reach_the_service_as_a_file_and_change_without_a_restart(aks: AksBench) -> None:
    status = aks.endpoints.apply(aks.spec(1))
    pids = [aks.process(pod) for pod in aks.pods()]
    keys = aks.secrets.get(status.key_secret)
    written = aks.objects.list(STATEFUL_SET, "ridgeline") + aks.objects.list(POD, "ridgeline")
    assert keys.split()[1] not in json.dumps(written)
    aks.exchange(status, "second new-key\n")
    assert not aks.endpoints.is_applied(aks.spec(1))
    aks.endpoints.apply(aks.spec(1))
    assert aks.endpoints.is_applied(aks.spec(1))
    wait_for(lambda: aks.answer(status, "new-key") == 200)
    assert aks.answer(status, keys.split()[1]) == 401
    assert [aks.process(pod) for pod in aks.pods()] == pids


def test_the_shipper_starts_before_and_ends_after_the_service_on_a_volume_that_stays(aks: AksBench) -> None:
    aks.settings = aks.settings.model_copy(update={"ship_logs": True})
    aks.endpoints = aks.forcing()
    status = aks.endpoints.apply(aks.with_shipper(1))
    aks.predict(status)
    aks.endpoints.withdraw(aks.recipe, "prod")
    log = aks.cluster.node.folder / "claims" / "ridgeline" / f"log-{aks.name}-stable-0"
    start, end = (json.loads((log / f"{name}.json").read_text()) for name in ("start", "end"))
    assert start["files"] == []
    assert [name.endswith(".jsonl") for name in end["files"]] == [True]
    assert start["environment"]["RIDGELINE_AZURE_STORAGE_ENDPOINT"] == aks.settings.blob_endpoint
    assert aks.predict(aks.endpoints.apply(aks.spec(1))) == 1.0
    assert len(list((log / "requests").glob("*.jsonl"))) == 1


@pytest.mark.long
def test_an_endpoint_is_withdrawn_when_its_load_balancer_is_gone(aks: AksBench) -> None:
    aks.endpoints.apply(aks.spec(1))
    aks.cluster.services.release_seconds = 4.0
    try:
        with pytest.raises(PlatformError, match=f"Service {aks.name} in AKS cluster ridgeline does not end"):
            aks.changed(replica_timeout=2.0).withdraw(aks.recipe, "prod")
        aks.endpoints.withdraw(aks.recipe, "prod")
        assert aks.objects.find(SERVICE, "ridgeline", aks.name) is None
    finally:
        aks.cluster.services.release_seconds = 0.0


@pytest.mark.long
def test_nothing_is_applied_to_a_service_that_is_about_to_go(aks: AksBench) -> None:
    aks.endpoints.apply(aks.spec(1))
    aks.cluster.services.release_seconds = 1.0
    try:
        aks.objects.delete(SERVICE, "ridgeline", aks.name)
        status = aks.endpoints.apply(aks.spec(1))
    finally:
        aks.cluster.services.release_seconds = 0.0
    wait_for(lambda: predicts(aks, status))
    found = aks.objects.find(SERVICE, "ridgeline", aks.name)
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]


def predicts(aks: AksBench, status: EndpointStatus) -> bool:
    try:
        return aks.predict(status) == 1.0
    except urllib.error.HTTPError:
        return False
