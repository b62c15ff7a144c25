"""The emulator's Kubernetes API against what the official client expects and the documentation promises."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException

from platforms.azure.kubernetes_access import connect
from platforms.azure.settings import AzureSettings
from tests.emulator.clusters import Clusters
from tests.emulator.kubernetes_store import HISTORY, Key
from tests.emulator.world import World

APPLY = "application/apply-patch+yaml"
NAMESPACE = "default"


@pytest.fixture(scope="module")
def api(emulator: object, azure: AzureSettings) -> Iterator[client.ApiClient]:
    with connect(azure, "ridgeline") as made:
        yield made


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).replace("_", "-")[:60]


def set_data(change: dict[str, str], live: dict[str, Any]) -> None:
    live["data"].update(change)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def apply(api: client.ApiClient, manager: str, manifest: dict[str, Any], *, force: bool = False) -> Any:  # noqa: ANN401 - no types
    return client.CoreV1Api(api).patch_namespaced_config_map(
        manifest["metadata"]["name"], NAMESPACE, manifest, field_manager=manager, force=force, _content_type=APPLY
    )


def owners(found: Any) -> dict[str, set[str]]:  # noqa: ANN401 - no types
    """The fields of the data by manager."""
    entries = found.metadata.managed_fields
    return {entry.manager: {name[2:] for name in entry.fields_v1.get("f:data", {})} for entry in entries}


def test_an_apply_creates_and_owns_what_it_names(api: client.ApiClient, name: str) -> None:
    made = apply(api, "a", config_map(name, x="1"))
    assert made.data == {"x": "1"}
    assert owners(made) == {"a": {"x"}}
    again = apply(api, "a", config_map(name, x="1"))
    assert again.metadata.resource_version == made.metadata.resource_version


def test_a_field_that_is_no_longer_named_goes_unless_somebody_else_owns_it(api: client.ApiClient, name: str) -> None:
    apply(api, "a", config_map(name, x="1", y="2"))
    apply(api, "b", config_map(name, y="2"))
    left = apply(api, "a", config_map(name, z="3"))
    assert left.data == {"y": "2", "z": "3"}
    assert owners(left) == {"a": {"z"}, "b": {"y"}}


def test_a_conflict_names_manager_and_field_and_force_takes_over(api: client.ApiClient, name: str) -> None:
    apply(api, "a", config_map(name, x="1"))
    with pytest.raises(ApiException) as conflict:
        apply(api, "b", config_map(name, x="2"))
    assert conflict.value.status == 409
    assert 'conflict with \\"a\\": .data.x' in conflict.value.body
    assert "FieldManagerConflict" in conflict.value.body
    taken = apply(api, "b", config_map(name, x="2"), force=True)
    assert (taken.data, owners(taken)) == ({"x": "2"}, {"b": {"x"}})


def test_a_patch_takes_what_it_changes_from_the_applier(api: client.ApiClient, name: str) -> None:
    apply(api, "a", config_map(name, x="1", y="1"))
    patched = client.CoreV1Api(api).patch_namespaced_config_map(
        name, NAMESPACE, {"data": {"x": "2"}}, field_manager="hand", _content_type="application/merge-patch+json"
    )
    assert owners(patched) == {"a": {"y"}, "hand": {"x"}}


def test_an_apply_without_manager_is_refused(api: client.ApiClient, name: str) -> None:
    with pytest.raises(ApiException) as refused:
        client.CoreV1Api(api).patch_namespaced_config_map(name, NAMESPACE, config_map(name), _content_type=APPLY)
    assert refused.value.status == 422


def test_lists_with_keys_are_merged_by_key(api: client.ApiClient, name: str) -> None:
    apps = client.AppsV1Api(api)
    apply_set(apps, name, "a", [{"name": "one", "image": "i:1"}, {"name": "two", "image": "i:2"}])
    apply_set(apps, name, "b", [{"name": "two", "env": [{"name": "E", "value": "v"}]}])
    left = apply_set(apps, name, "a", [{"name": "one", "image": "i:3"}])
    found = {each.name: each for each in left.spec.template.spec.containers}
    assert found["one"].image == "i:3"
    assert found["two"].image is None
    assert found["two"].env[0].value == "v"
    apps.delete_namespaced_stateful_set(name, NAMESPACE)


def apply_set(apps: Any, name: str, manager: str, containers: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - no types
    labels = {"matchLabels": {"app": name}}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
    spec = {"replicas": 0, "selector": labels, "serviceName": name, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}
    return apps.patch_namespaced_stateful_set(
        name, NAMESPACE, manifest, field_manager=manager, force=True, _content_type=APPLY
    )


def test_what_a_stateful_set_cannot_change_is_refused(api: client.ApiClient, name: str) -> None:
    apps = client.AppsV1Api(api)
    apply_set(apps, name, "a", [{"name": "one", "image": "i:1"}])
    with pytest.raises(ApiException) as refused:
        apps.patch_namespaced_stateful_set(
            name, NAMESPACE, {"spec": {"serviceName": "x"}}, _content_type="application/merge-patch+json"
        )
    assert refused.value.status == 422
    assert "are forbidden" in refused.value.body
    apps.delete_namespaced_stateful_set(name, NAMESPACE)


def test_the_scale_is_a_thing_of_its_own(api: client.ApiClient, name: str) -> None:
    apps = client.AppsV1Api(api)
    made = apply_set(apps, name, "a", [{"name": "one", "image": "i:1"}])
    scaled = apps.patch_namespaced_stateful_set_scale(name, NAMESPACE, {"spec": {"replicas": 0}})
    assert scaled.spec.replicas == 0
    assert apps.read_namespaced_stateful_set(name, NAMESPACE).metadata.generation == made.metadata.generation
    apps.delete_namespaced_stateful_set(name, NAMESPACE)


def test_a_replacement_of_an_old_version_is_refused(api: client.ApiClient, name: str) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(NAMESPACE, config_map(name, x="1"))
    old = config_map(name, x="2")
    old["metadata"]["resourceVersion"] = made.metadata.resource_version
    assert core.replace_namespaced_config_map(name, NAMESPACE, old).data == {"x": "2"}
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map(name, NAMESPACE, old)
    assert refused.value.status == 409


def test_what_is_missing_exists_already_or_has_no_namespace_is_told(api: client.ApiClient, name: str) -> None:
    core = client.CoreV1Api(api)
    with pytest.raises(ApiException, match=f'configmaps \\\\"{name}\\\\" not found'):
        core.read_namespaced_config_map(name, NAMESPACE)
    core.create_namespaced_config_map(NAMESPACE, config_map(name))
    with pytest.raises(ApiException, match="AlreadyExists"):
        core.create_namespaced_config_map(NAMESPACE, config_map(name))
    with pytest.raises(ApiException, match=r"namespaces .*nowhere.* not found"):
        core.create_namespaced_config_map("nowhere", config_map(name))
    core.delete_namespaced_config_map(name, NAMESPACE)
    assert core.list_namespaced_config_map(NAMESPACE, field_selector=f"metadata.name={name}").items == []


def test_without_a_token_nothing_is_told(api: client.ApiClient) -> None:
    stranger = client.Configuration()
    stranger.host = api.configuration.host
    stranger.ssl_ca_cert = api.configuration.ssl_ca_cert
    stranger.ca_cert_data = api.configuration.ca_cert_data
    with client.ApiClient(stranger) as other, pytest.raises(ApiException) as refused:
        client.CoreV1Api(other).list_namespaced_pod(NAMESPACE)
    assert refused.value.status == 401


def test_a_watch_goes_on_from_a_version_and_ends_in_time(api: client.ApiClient, name: str) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(NAMESPACE, config_map(name, x="1"))
    seen: list[tuple[str, dict[str, str]]] = []

    def look() -> None:
        events = watch.Watch().stream(
            core.list_namespaced_config_map,
            NAMESPACE,
            field_selector=f"metadata.name={name}",
            resource_version=made.metadata.resource_version,
            timeout_seconds=2,
        )
        seen.extend((event["type"], event["object"].data) for event in events)

    watcher = threading.Thread(target=look)
    started = time.monotonic()
    watcher.start()
    core.patch_namespaced_config_map(
        name, NAMESPACE, {"data": {"x": "2"}}, _content_type="application/merge-patch+json"
    )
    core.delete_namespaced_config_map(name, NAMESPACE)
    watcher.join()
    assert seen == [("MODIFIED", {"x": "2"}), ("DELETED", {"x": "2"})]
    assert 1.5 < time.monotonic() - started < 10


def test_a_watch_of_a_forgotten_version_is_told_to_list_again(api: client.ApiClient, world: World, name: str) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(NAMESPACE, config_map(name, x="0"))
    clusters = world.part(Clusters)
    store = clusters.get("ridgeline").store

    async def write() -> None:
        for number in range(HISTORY + 1):
            change = {"x": f"{number} now"}
            store.write(Key("configmaps", NAMESPACE, name), partial(set_data, change))

    clusters.runtime.do(write())
    with pytest.raises(ApiException) as gone:
        list(
            watch.Watch().stream(
                core.list_namespaced_config_map,
                NAMESPACE,
                resource_version=made.metadata.resource_version,
                timeout_seconds=1,
            )
        )
    assert gone.value.status == 410
