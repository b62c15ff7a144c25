from __future__ import annotations

import pytest
from urllib3.exceptions import SSLError

from platforms.azure import kubernetes_access
from platforms.azure.kubernetes_access import connect
from platforms.azure.kubernetes_objects import POD, Objects
from platforms.errors import NotFoundError, PlatformError
from tests.emulator.faults import Fault, Kind
from tests.emulator.world import World
from tests.platforms.azure.aks_bench import AksBench
from tests.platforms.azure.faulty import KINDS
from tests.platforms.azure.signed_out import SignedOut


def test_without_a_cluster_the_next_step_is_named(aks: AksBench) -> None:
    objects = Objects(lambda: connect(aks.settings, "nowhere"), "nowhere", force=False)
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
def test_a_refusal_names_cluster_request_and_reason(aks: AksBench, world: World, fault: Fault, told: str) -> None:
    settings = aks.settings.model_copy(update={"retries": 0})
    objects = Objects(lambda: connect(settings, "ridgeline"), "ridgeline", force=False)
    with world.faults.on(fault), pytest.raises(PlatformError, match=told):
        objects.find(POD, "ridgeline", "x")


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_are_asked_for_again(aks: AksBench, world: World, kind: Kind) -> None:
    objects = Objects(lambda: connect(aks.settings, "ridgeline"), "ridgeline", force=False)
    fault = Fault(kind, "/managedClusters/ridgeline/list", times=2)
    with world.faults.on(fault):
        assert objects.find(POD, "ridgeline", "nobody") is None
    assert fault.hits == 2


def test_without_a_sign_in_cluster_and_next_step_are_named(aks: AksBench) -> None:
    objects = Objects(lambda: connect(aks.settings, "ridgeline"), "ridgeline", force=False)
    told = r"token for AKS cluster ridgeline: nobody is signed in, run `az login`"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_access, "credential", lambda settings: SignedOut())
        with pytest.raises(PlatformError, match=told):
            objects.find(POD, "ridgeline", "x")


def test_a_certificate_that_cannot_be_trusted_is_no_answer_and_ends_a_watch(aks: AksBench) -> None:
    def untrusted(*arguments: object, **options: object) -> None:
        raise SSLError("certificate verify failed")

    client = aks.objects.client
    pod = {"metadata": {"name": "x", "namespace": "ridgeline", "resourceVersion": "1"}}
    told = r"cluster ridgeline does not answer GET /api/.*certificate verify failed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client.rest_client.pool_manager, "request", untrusted)
        with pytest.raises(PlatformError, match=told):
            aks.objects.find(POD, "ridgeline", "x")
        aks.objects.await_change(POD, pod, 1)


def test_what_is_missing_is_named(aks: AksBench) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "nowhere"}}
    with pytest.raises(NotFoundError, match=r"PATCH /api/v1/namespaces/nowhere/.*nowhere.* not found"):
        aks.objects.apply(manifest)
    assert "not found" in aks.objects.logs("ridgeline", "nobody", "scoring", 5)


def test_the_local_account_opens_a_cluster_unless_it_is_switched_off(aks: AksBench, world: World) -> None:
    settings = aks.settings.model_copy(update={"kubernetes_credentials": "admin"})
    objects = Objects(lambda: connect(settings, "ridgeline"), "ridgeline", force=False)
    assert objects.find(POD, "ridgeline", "nobody") is None
    path = f"{world.group_id}/providers/Microsoft.ContainerService/managedClusters/closed"
    world.resources.put(path, {"location": "westeurope", "properties": {"disableLocalAccounts": True}})
    closed = Objects(lambda: connect(settings, "closed"), "closed", force=False)
    with pytest.raises(PlatformError, match=r"admin credentials of AKS cluster closed.*disable local accounts"):
        closed.find(POD, "ridgeline", "nobody")
