from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest

from platforms.azure.infrastructure import AzureInfrastructure
from platforms.azure.resources import guid
from platforms.azure.settings import AzureSettings
from platforms.errors import NotFoundError, PlatformError
from platforms.protocols import Infrastructure
from platforms.values import Change
from tests.emulator.faults import Fault, Kind
from tests.emulator.resources import Resource
from tests.emulator.storage_accounts import Accounts
from tests.emulator.world import World
from tests.platforms.azure.faulty import KINDS
from tests.waiting import wait_for

CLUSTER = "Microsoft.MachineLearningServices/workspaces/computes ridgeline/ridgeline"
KUBERNETES = "Microsoft.ContainerService/managedClusters ridgeline"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
WORKSPACE = "Microsoft.MachineLearningServices/workspaces ridgeline"


@pytest.fixture
def empty(azure: AzureSettings, world: World) -> Iterator[AzureSettings]:
    """Settings of an installation that is still to come, in a resource group of its own."""
    name = f"group-{uuid.uuid4().hex[:8]}"
    changed = {
        "resource_group": name,
        "storage_account": "newdata",
        "registry": "newimages",
        "key_vault": "https://newsecrets.vault.azure.net",
        "queue": name,
        "poll_seconds": 0.02,
    }
    yield azure.model_copy(update=changed)
    for document in world.resources.remove(f"/subscriptions/{world.subscription}/resourceGroups/{name}"):
        world.resources.type_of(document["id"]).delete(document)


@pytest.fixture
def infrastructure(empty: AzureSettings) -> AzureInfrastructure:
    return AzureInfrastructure(empty)


@pytest.fixture
def complete(infrastructure: AzureInfrastructure) -> AzureInfrastructure:
    bring_about(infrastructure)
    return infrastructure


def bring_about(infrastructure: Infrastructure) -> list[Change]:
    return [infrastructure.apply(change.resource) for change in infrastructure.plan()]


def actions(changes: list[Change]) -> set[str]:
    return {change.action for change in changes}


def changed(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.action, change.resource, change.detail) for change in changes if change.action != "same"]


def stored(world: World, settings: AzureSettings, kind: str) -> Resource:
    group = f"/subscriptions/{world.subscription}/resourceGroups/{settings.resource_group}"
    return world.resources.get(f"{group}/providers/{kind}").document


def test_a_plan_touches_nothing(infrastructure: AzureInfrastructure, world: World, empty: AzureSettings) -> None:
    plan = infrastructure.plan()
    assert actions(plan) == {"create"}
    assert plan[0].resource == f"Microsoft.Resources/resourceGroups {empty.resource_group}"
    assert len({change.resource for change in plan}) == len(plan)
    assert world.resources.find(f"/subscriptions/{world.subscription}/resourceGroups/{empty.resource_group}") is None


def test_a_second_run_changes_nothing(
    infrastructure: AzureInfrastructure, world: World, empty: AzureSettings
) -> None:
    plan = infrastructure.plan()
    assert bring_about(infrastructure) == plan
    kubernetes = stored(world, empty, "Microsoft.ContainerService/managedClusters/ridgeline")
    assert changed(infrastructure.plan()) == []
    assert actions(bring_about(infrastructure)) == {"same"}
    assert stored(world, empty, "Microsoft.ContainerService/managedClusters/ridgeline") == kubernetes


@pytest.mark.long
def test_what_is_made_is_there(complete: AzureInfrastructure, world: World, empty: AzureSettings) -> None:
    kubernetes = stored(world, empty, "Microsoft.ContainerService/managedClusters/ridgeline")["properties"]
    pods = stored(world, empty, f"{IDENTITIES}/ridgeline-serving/federatedIdentityCredentials/ridgeline")[
        "properties"
    ]
    assert pods["issuer"] == kubernetes["oidcIssuerProfile"]["issuerURL"]
    assert pods["subject"] == "system:serviceaccount:ridgeline:scoring"
    assert world.part(Accounts).queues() >= {empty.queue, f"{empty.queue}-poison"}
    clients = {
        name: stored(world, empty, f"{IDENTITIES}/ridgeline-{name}")["properties"]["clientId"]
        for name in ("serving", "pipeline")
    }
    assert complete.chosen() == {
        "RIDGELINE_AZURE_SERVING_CLIENT_ID": clients["serving"],
        "RIDGELINE_AZURE_CLIENT_ID": clients["pipeline"],
    }


@pytest.mark.long
def test_a_changed_setting_changes_what_it_speaks_of_and_nothing_beside_it(
    complete: AzureInfrastructure, world: World, empty: AzureSettings
) -> None:
    """Tags that a policy has set and nodes that the autoscaler has added stay."""
    kubernetes = stored(world, empty, "Microsoft.ContainerService/managedClusters/ridgeline")

    def grow(document: Resource) -> None:
        document["tags"] = {"owner": "ada"}
        document["properties"]["agentPoolProfiles"][0]["count"] = 3

    world.resources.change(kubernetes["id"], grow)
    assert changed(complete.plan()) == []
    larger = AzureInfrastructure(empty.model_copy(update={"kubernetes_max_nodes": 5, "max_nodes": 7}))
    wanted = [
        ("update", CLUSTER, "properties.properties.scaleSettings.maxNodeCount: 2 -> 7"),
        ("update", KUBERNETES, "properties.agentPoolProfiles[system].maxCount: 3 -> 5"),
    ]
    assert changed(larger.plan()) == wanted
    assert changed(bring_about(larger)) == wanted
    after = stored(world, empty, "Microsoft.ContainerService/managedClusters/ridgeline")
    pool = after["properties"]["agentPoolProfiles"][0]
    assert (after["tags"], pool["count"], pool["maxCount"]) == ({"owner": "ada"}, 3, 5)


def test_a_run_that_failed_in_the_middle_is_gone_on_with(
    infrastructure: AzureInfrastructure, world: World, empty: AzureSettings
) -> None:
    plan = [change.resource for change in infrastructure.plan()]
    fault = Fault(
        "error", path=f".*{empty.resource_group}.*Services/workspaces/ridgeline$", methods="PUT", status=400, times=9
    )
    with world.faults.on(fault), pytest.raises(PlatformError, match="MachineLearningServices/workspaces ridgeline"):
        bring_about(infrastructure)
    middle = plan.index(WORKSPACE)
    done = bring_about(infrastructure)
    assert [change.action for change in done] == ["same"] * middle + ["create"] * (len(plan) - middle)
    assert changed(infrastructure.plan()) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_what_passes_is_ridden_out(
    infrastructure: AzureInfrastructure, world: World, empty: AzureSettings, kind: Kind
) -> None:
    with world.faults.on(Fault(kind, path=f".*{empty.resource_group}.*", times=4, skip=20)):
        bring_about(infrastructure)
    assert changed(infrastructure.plan()) == []


@pytest.mark.long
def test_what_a_killed_run_has_begun_is_waited_for(
    complete: AzureInfrastructure, world: World, empty: AzureSettings
) -> None:
    id = stored(world, empty, "Microsoft.MachineLearningServices/workspaces/ridgeline")["id"]

    def in_state(state: str) -> None:
        world.resources.change(id, lambda document: document["properties"].update(provisioningState=state))

    in_state("Creating")
    ended: list[Change] = []
    thread = threading.Thread(target=lambda: ended.append(complete.apply(WORKSPACE)))
    thread.start()
    thread.join(0.2)
    assert ended == []
    in_state("Succeeded")
    wait_for(lambda: ended)
    assert ended[0].action == "same"


@pytest.mark.long
def test_what_failed_at_azure_is_sent_again(
    complete: AzureInfrastructure, world: World, empty: AzureSettings
) -> None:
    id = stored(world, empty, "Microsoft.ContainerService/managedClusters/ridgeline")["id"]
    world.resources.change(id, lambda document: document["properties"].update(provisioningState="Failed"))
    assert changed(complete.plan()) == [("update", KUBERNETES, "the last change ended failed")]
    complete.apply(KUBERNETES)
    assert changed(complete.plan()) == []


@pytest.mark.long
def test_roles_of_an_identity_that_was_made_anew_are_given_again(
    complete: AzureInfrastructure, world: World, empty: AzureSettings
) -> None:
    world.resources.remove(stored(world, empty, f"{IDENTITIES}/ridgeline-training")["id"])
    bring_about(complete)
    assert changed(complete.plan()) == []
    anew = stored(world, empty, f"{IDENTITIES}/ridgeline-training")["properties"]["principalId"]
    storage = stored(world, empty, "Microsoft.Storage/storageAccounts/newdata")["id"]
    roles = world.resources.children(f"{storage}/providers/Microsoft.Authorization/roleAssignments")
    assert anew in {role["properties"]["principalId"] for role in roles}


@pytest.mark.long
def test_a_role_that_azure_gave_by_itself_is_no_change(
    complete: AzureInfrastructure, world: World, empty: AzureSettings
) -> None:
    [role] = [change.resource for change in complete.plan() if "Secrets Officer: workspace" in change.resource]
    vault = stored(world, empty, "Microsoft.KeyVault/vaults/newsecrets")["id"]
    workspace = stored(world, empty, "Microsoft.MachineLearningServices/workspaces/ridgeline")["id"]
    name = guid(vault, workspace, "b86a8fe4-44ce-4948-aee5-eccb2c155cd7")
    assignments = f"{vault}/providers/Microsoft.Authorization/roleAssignments"
    [document] = world.resources.remove(f"{assignments}/{name}")
    world.resources.type_of(document["id"]).delete(document)
    world.resources.put(f"{assignments}/{uuid.uuid4()}", {"properties": document["properties"]})
    assert complete.apply(role) == Change(role, "same", "Azure gave this role by itself, under another name")


def test_destroying_leaves_nothing_and_twice_is_once(
    complete: AzureInfrastructure, world: World, empty: AzureSettings
) -> None:
    assert complete.name == empty.resource_group
    for _ in range(2):
        complete.destroy()
        assert actions(complete.plan()) == {"create"}


def test_what_azure_does_not_end_in_time_is_told(empty: AzureSettings, world: World) -> None:
    hasty = AzureInfrastructure(empty.model_copy(update={"provision_timeout": 0.02}))
    told = pytest.raises(PlatformError, match=r"still goes on after 0.02 s \(RIDGELINE_AZURE_PROVISION_TIMEOUT\)")
    with world.faults.slow_operations(0.5), told:
        bring_about(hasty)


def test_names_that_only_a_person_can_choose_have_to_be_set(azure: AzureSettings) -> None:
    unset = AzureInfrastructure(azure.model_copy(update={"registry": "", "key_vault": None}))
    with pytest.raises(PlatformError, match="RIDGELINE_AZURE_REGISTRY, RIDGELINE_AZURE_KEY_VAULT"):
        unset.plan()


def test_a_resource_that_is_not_in_the_plan_is_refused(infrastructure: AzureInfrastructure) -> None:
    with pytest.raises(NotFoundError, match=r"the plan has no resource Microsoft\.Sql/servers x"):
        infrastructure.apply("Microsoft.Sql/servers x")
