"""Where endpoints are, as the settings say, and what Azure's own recordings say about Container Instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from platforms.azure.container_instances import ContainerInstances
from platforms.azure.credentials import credential
from platforms.azure.endpoints import AzureEndpoints
from platforms.azure.kubernetes_endpoints import KubernetesEndpoints
from platforms.azure.settings import AzureSettings
from platforms.errors import NotReadyError
from tests.emulator.world import World
from tests.platforms.azure.endpoint_bench import Bench
from tests.ports import free_port
from tests.waiting import wait_for

RECORDED_PUT: Final = {
    "properties": {"sku", "provisioningState", "containers", "initContainers", "imageRegistryCredentials", "osType"}
    | {"instanceView"},
    "container": {"image", "ports", "environmentVariables", "resources"},
    "running": {"restartCount", "currentState", "events"},
    "event": {"count", "firstTimestamp", "lastTimestamp", "name", "message", "type"},
    "operation": {"id", "status", "startTime", "properties"},
}
"""Fields in azure-cli's recording `test_container_create_with_acr`."""


@pytest.fixture
def bench(world: World, passing: AzureSettings, tmp_path: Path, recipe_of_test: str) -> Bench:
    settings = passing.model_copy(update={"poll_seconds": 0.02, "min_replicas": 1})
    return Bench(world, settings, tmp_path, recipe_of_test)


def endpoints(bench: Bench, **changes: object) -> AzureEndpoints:
    return AzureEndpoints(bench.settings.model_copy(update=changes), bench.secrets, bench.locate)


def test_prod_is_on_aks_and_qa_where_the_settings_say(bench: Bench) -> None:
    assert isinstance(endpoints(bench).of("qa"), ContainerInstances)
    assert isinstance(endpoints(bench).of("prod"), KubernetesEndpoints)
    assert isinstance(endpoints(bench, qa_kind="aks").of("qa"), KubernetesEndpoints)


@pytest.mark.long
def test_qa_and_prod_of_one_recipe_live_side_by_side_on_aks(bench: Bench) -> None:
    made = endpoints(bench, qa_kind="aks")
    try:
        qa, prod = made.apply(bench.spec(1, "qa")), made.apply(bench.spec(2, "prod"))
        assert (bench.predict(qa), bench.predict(prod)) == (1.0, 2.0)
        assert (made.status(bench.recipe, "qa"), made.status(bench.recipe, "prod")) == (qa, prod)
        assert not made.rest(bench.recipe, "qa")
        assert qa.key_secret != prod.key_secret
    finally:
        for environment in ("qa", "prod"):
            made.withdraw(bench.recipe, environment)


def test_a_gateway_is_what_clients_see_and_it_must_answer(bench: Bench) -> None:
    gateway = f"http://127.0.0.1:{free_port()}/{{recipe}}/"
    behind = endpoints(bench, endpoint_url=gateway, replica_timeout=0.5)
    url = gateway.format(recipe=bench.recipe).rstrip("/")
    made = endpoints(bench)
    try:
        served = made.apply(bench.spec(1))
        with pytest.raises(NotReadyError, match=f"still serves: its load balancer does not answer at {url}"):
            behind.apply(bench.spec(1))
        assert bench.predict(served) == 1.0
        status = behind.status(bench.recipe, "prod")
        assert status is not None
        assert status.url == url
    finally:
        made.withdraw(bench.recipe, "prod")


def test_container_groups_answer_as_recorded(bench: Bench, world: World, azure: AzureSettings) -> None:
    image = bench.locate(bench.spec(1).image)
    requests = {"requests": {"memoryInGB": 1.0, "cpu": 1.0}}
    container = {"name": "c", "properties": {"image": image, "resources": requests, "command": ["sleep", "60"]}}
    password = {"server": "ridgeline.azurecr.io", "username": "u", "password": "hidden"}
    asked = {"containers": [container], "imageRegistryCredentials": [password], "osType": "Linux"}
    path = f"{world.group_id}/providers/Microsoft.ContainerInstance/containerGroups/{bench.recipe}"
    with world.faults.slow_operations(0.2), client(world, azure) as azure_api:
        put = azure_api.put(path, json={"location": "westeurope", "properties": asked, "tags": {}})
        assert put.status_code == 201
        assert_recorded(put.json()["properties"], "properties")
        assert put.json()["properties"]["provisioningState"] == "Pending"
        assert put.json()["properties"]["instanceView"] == {"events": [], "state": "Pending"}
        assert_recorded(put.json()["properties"]["containers"][0]["properties"], "container")
        assert "hidden" not in put.text
        operation = azure_api.get(put.headers["azure-asyncoperation"])
        assert operation.status_code == 200
        assert_recorded(operation.json(), "operation")
        assert operation.json()["status"] == "Pending"
        await_success(azure_api, put)
        found = azure_api.get(path).json()
        assert found["properties"]["provisioningState"] == "Succeeded"
        assert found["properties"]["instanceView"]["state"] == "Running"
        view = found["properties"]["containers"][0]["properties"]["instanceView"]
        assert_recorded(view, "running")
        assert_recorded(view["events"][0], "event")
        assert view["currentState"].keys() == {"state", "startTime", "detailStatus"}
        again = azure_api.put(path, json={"location": "westeurope", "properties": asked})
        assert again.status_code == 200
        await_success(azure_api, again)
        deleted = azure_api.delete(path)
        assert deleted.status_code in (200, 202)
        assert azure_api.delete(path).status_code == 204
        await_success(azure_api, deleted)


def client(world: World, azure: AzureSettings) -> httpx.Client:
    token = credential(azure).get_token(f"{azure.resource_manager}/.default").token
    return httpx.Client(
        base_url=world.base_url,
        headers={"authorization": f"Bearer {token}"},
        params={"api-version": "2023-05-01"},
        verify=world.certificates.trust(),
    )


def await_success(azure_api: httpx.Client, started: httpx.Response) -> None:
    wait_for(lambda: azure_api.get(started.headers["azure-asyncoperation"]).json()["status"] == "Succeeded")


def assert_recorded(found: dict[str, Any], what: str) -> None:
    assert RECORDED_PUT[what] <= found.keys()
