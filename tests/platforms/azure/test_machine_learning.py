"""The emulator against Azure ML and ACR Tasks: status codes and field names as in Microsoft's public recordings.

Azure/azure-sdk-assets, azure-ai-ml: `test_command_job_with_dataset`, `test_command_job_dependency_label_resolution`,
`test_crud_model_with_stage`, `test_aml_compute_create_and_delete`, `test_create_and_get` (code). azure-cli:
`test_acr_task`.
"""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.emulator import container_registry
from tests.emulator.blobs import Blobs
from tests.emulator.machine_learning import WORKSPACE
from tests.emulator.world import World

VERSION_FIELDS = {"description", "isAnonymous", "isArchived", "properties", "provisioningState", "tags"}
ASSET_FIELDS = {
    "codes": {"codeUri"},
    "environments": {
        *("autoDeleteSetting", "autoRebuild", "condaFile", "environmentType", "image", "intellectualProperty"),
        *("osType", "stage"),
    },
    "models": {
        *("autoDeleteSetting", "flavors", "intellectualProperty", "jobName", "modelType", "modelUri", "stage"),
    },
}
SENT = {
    "codes": {"codeUri": "https://storage/pending-1"},
    "environments": {"image": "base", "condaFile": "name: x"},
    "models": {"modelType": "mlflow_model", "modelUri": "azureml://datastores/d/paths/p"},
}
JOB_FIELDS = {
    *("codeId", "command", "componentId", "computeId", "description", "displayName", "distribution"),
    *("environmentId", "environmentVariables", "experimentName", "identity", "inputs", "isArchived", "jobType"),
    *("limits", "notificationSetting", "outputs", "parameters", "parentJobName", "properties", "queueSettings"),
    *("resources", "services", "status", "tags"),
}
SENT_JOB = {
    "command": "echo done",
    "displayName": "test",
    "environmentId": "azureml:x:1",
    "environmentVariables": {},
    "experimentName": "e",
    "inputs": {},
    "isArchived": False,
    "jobType": "Command",
    "outputs": {},
    "properties": {},
    "tags": {},
}
COMPUTE_FIELDS = {
    *("computeType", "createdOn", "description", "disableLocalAuth", "isAttachedCompute", "modifiedOn"),
    *("properties", "provisioningErrors", "provisioningState", "provisioningWarnings", "resourceId"),
}
NODE_FIELDS = {
    *("allocationState", "currentNodeCount", "enableBatchPrivateLink", "enableNodePublicIp", "errors"),
    *("isolatedNetwork", "nodeStateCounts", "osType", "remoteLoginPortPublicAccess", "scaleSettings", "subnet"),
    *("targetNodeCount", "virtualMachineImage", "vmPriority", "vmSize"),
}
RUN_FIELDS = {
    *("agentConfiguration", "createTime", "finishTime", "isArchiveEnabled", "lastUpdatedTime", "outputImages"),
    *("platform", "provisioningState", "runId", "runType", "startTime", "status"),
}
QUEUED_FIELDS = {"isArchiveEnabled", "lastUpdatedTime", "provisioningState", "runId", "status"}
TASK_FIELDS = {
    *("agentConfiguration", "creationDate", "isSystemTask", "platform", "provisioningState", "status", "step"),
    "timeout",
}
RESOURCE = {"id", "name", "properties", "systemData", "type"}


@pytest.fixture(scope="module")
def service(world: World) -> Iterator[httpx.Client]:
    """A client that is signed in, at the workspace."""
    names = {"subscription": world.subscription, "group": world.resource_group, "workspace": "ridgeline"}
    base = f"{world.base_url}{WORKSPACE.format(**names)}"
    trust, headers = world.certificates.trust(), {"authorization": "Bearer x"}
    with httpx.Client(base_url=base, verify=trust, headers=headers, params={"api-version": "2024-01-01"}) as made:
        yield made


@pytest.fixture(scope="module")
def registry(world: World, service: httpx.Client) -> Iterator[httpx.Client]:
    """The same at the container registry."""
    base = (
        f"{world.base_url}{world.group_id}/providers/Microsoft.ContainerRegistry/registries/{container_registry.NAME}"
    )
    with httpx.Client(
        base_url=base, verify=world.certificates.trust(), headers=service.headers, params=service.params
    ) as made:
        yield made


@pytest.fixture
def name() -> str:
    return f"x{uuid.uuid4().hex}"


@pytest.mark.parametrize("kind", SENT)
def test_a_version_has_the_recorded_fields(service: httpx.Client, kind: str, name: str) -> None:
    made = service.put(f"/{kind}/{name}/versions/3", json={"properties": SENT[kind]})
    assert made.status_code == 201
    assert made.headers["location"].partition("?")[0].endswith(f"/{kind}/{name}/versions/3")
    assert set(made.json()) == RESOURCE
    assert set(made.json()["properties"]) == VERSION_FIELDS | ASSET_FIELDS[kind]
    assert made.json()["type"] == f"Microsoft.MachineLearningServices/workspaces/{kind}/versions"
    assert service.get(f"/{kind}/{name}").json()["properties"]["nextVersion"] == "4"
    assert service.put(f"/{kind}/{name}/versions/3", json={"properties": {"tags": {"a": "b"}}}).status_code == 200
    assert service.get(f"/{kind}/{name}/versions/3").json()["properties"]["tags"] == {"a": "b"}


def test_what_a_version_is_made_of_cannot_be_changed(service: httpx.Client, name: str) -> None:
    service.put(f"/models/{name}/versions/1", json={"properties": SENT["models"]})
    other = service.put(
        f"/models/{name}/versions/1", json={"properties": {"modelUri": "azureml://datastores/d/paths/q"}}
    )
    assert other.status_code == 400
    # The text by which the SDK knows this error.
    assert other.json()["error"] == {"code": "UserError", "message": "Asset paths cannot be updated."}


@pytest.mark.parametrize(
    "path", ["/models/none/versions", "/models/none/versions/1", "/jobs/none", "/data/none/versions"]
)
def test_what_is_missing_is_a_user_error(service: httpx.Client, path: str) -> None:
    found = service.get(path)
    assert found.status_code == 404
    assert found.json()["error"]["code"] == "UserError"
    assert found.json()["error"]["message"].startswith("The specified resource was not found.")


def test_equal_code_is_found_by_its_hash_under_another_name(service: httpx.Client, name: str) -> None:
    properties = {"hash_sha256": name, "hash_version": "202208"}
    service.put(f"/codes/{name}/versions/1", json={"properties": {**SENT["codes"], "properties": properties}})
    query = {"hash": name, "hashVersion": "202208", "api-version": "2023-04-01"}
    assert len(service.get("/codes/other/versions", params=query).json()["value"]) == 1


def test_a_pending_upload_gives_an_address_that_takes_blobs(service: httpx.Client, world: World, name: str) -> None:
    given = service.post(f"/codes/{name}/versions/1/startPendingUpload", json={}).json()
    assert set(given) == {"blobReferenceForConsumption", "pendingUploadId", "pendingUploadType"}
    place = given["blobReferenceForConsumption"]
    assert set(place) == {"blobUri", "credential", "storageAccountArmId"}
    assert place["credential"]["credentialType"] == "SAS"
    address = place["credential"]["sasUri"].replace("?", "/file?", 1)
    kind = {"x-ms-blob-type": "BlockBlob"}
    with httpx.Client(verify=world.certificates.trust(), headers=kind) as client:
        assert client.put(address, content=b"x").status_code == 201
        assert client.put(address.partition("?")[0], content=b"x").status_code == 403


def test_a_job_has_the_recorded_fields(service: httpx.Client, world: World, name: str) -> None:
    compute = f"{service.base_url.path.rstrip('/')}/computes/ridgeline"
    sent = {**SENT_JOB, "codeId": _code(service, world, name), "computeId": compute}
    made = service.put(f"/jobs/{name}", json={"properties": sent})
    assert made.status_code == 201
    assert "location" in made.headers
    assert set(made.json()["properties"]) - {"provisioningState"} == JOB_FIELDS
    assert made.json()["properties"]["status"] in ("Starting", "Queued")
    assert set(made.json()["properties"]["services"]) == {"Studio", "Tracking"}
    assert made.json()["properties"]["outputs"]["default"]["mode"] == "ReadWriteMount"
    assert service.put(f"/jobs/{name}", json={"properties": {**sent, "tags": {"a": "b"}}}).status_code == 200
    details = _until(service, f"{world.base_url}/history/v1.0{service.base_url.path}runs/{name}/details", "Completed")
    assert {"createdTimeUtc", "endTimeUtc", "error", "logFiles", "runId", "startTimeUtc", "status"} <= set(details)
    with httpx.Client(verify=world.certificates.trust()) as client:
        assert client.get(details["logFiles"]["user_logs/std_log.txt"]).text == "done\n"
    cancelled = service.post(f"/jobs/{name}/cancel")
    assert cancelled.status_code == 202
    assert service.get(cancelled.headers["location"]).status_code == 200
    assert service.get(f"/jobs/{name}").json()["properties"]["status"] == "Completed"


def test_a_cluster_has_the_recorded_fields_and_begins_as_creating(
    service: httpx.Client, world: World, name: str
) -> None:
    scale = {"maxNodeCount": 2, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT100S"}
    nodes = {"vmSize": "Standard_DS2_v2", "vmPriority": "LowPriority", "scaleSettings": scale}
    body = {"location": "eastus", "properties": {"computeType": "AmlCompute", "properties": nodes}}
    world.faults.operation_seconds = 0.1
    try:
        made = service.put(f"/computes/{name}", json=body)
    finally:
        world.faults.operation_seconds = 0.0
    assert made.status_code == 201
    assert set(made.json()) == RESOURCE | {"location", "tags"}
    assert set(made.json()["properties"]) == COMPUTE_FIELDS
    assert set(made.json()["properties"]["properties"]) == NODE_FIELDS
    assert made.json()["properties"]["provisioningState"] == "Creating"
    assert made.json()["properties"]["properties"]["vmSize"] == "STANDARD_DS2_V2"
    assert _until(service, made.headers["azure-asyncoperation"], "Succeeded")
    assert service.delete(f"/computes/{name}", params={"api-version": "1"}).status_code == 202


def test_a_task_and_its_run_have_the_recorded_fields(registry: httpx.Client, world: World, name: str) -> None:
    place = registry.post("/listBuildSourceUploadUrl").json()
    assert set(place) == {"relativePath", "uploadUrl"}
    _upload(world, place["uploadUrl"])
    step = {"type": "Docker", "imageNames": [f"{name}:v1"], "isPushEnabled": True, "dockerFilePath": "Dockerfile"}
    machine = {"platform": {"os": "linux", "architecture": "amd64"}, "agentConfiguration": {"cpu": 2}}
    body = {"location": "westus", "properties": {"status": "Enabled", "step": step, **machine}}
    made = registry.put(f"/tasks/{name}", json=body)
    assert made.status_code == 200
    assert set(made.json()) == RESOURCE | {"location"}
    assert set(made.json()["properties"]) == TASK_FIELDS

    override = {"contextPath": place["relativePath"]}
    request = {"type": "TaskRunRequest", "taskId": made.json()["id"], "overrideTaskStepProperties": override}
    queued = registry.post("/scheduleRun", json=request)
    assert (queued.status_code, queued.headers.keys() & {"location", "azure-asyncoperation"}) == (200, set())
    assert set(queued.json()) == RESOURCE
    assert set(queued.json()["properties"]) == QUEUED_FIELDS

    path = f"/runs/{queued.json()['name']}"
    while (run := registry.get(path).json())["properties"]["status"] in ("Queued", "Running"):
        time.sleep(0.01)
    found = run["properties"]
    assert set(found) == RUN_FIELDS | {"task"}
    assert (found["status"], found["runType"], found["task"]) == ("Succeeded", "QuickRun", name)
    assert set(found["outputImages"][0]) == {"digest", "registry", "repository", "tag"}
    listed = registry.get("/runs", params={"api-version": "1", "$filter": f"TaskName eq '{name}'"}).json()
    assert listed == {"value": [run]}


def test_a_run_that_is_posted_twice_runs_twice(registry: httpx.Client, world: World, name: str) -> None:
    place = registry.post("/listBuildSourceUploadUrl").json()
    _upload(world, place["uploadUrl"])
    request = {
        "type": "DockerBuildRequest",
        "imageNames": [f"{name}:v1"],
        "dockerFilePath": "Dockerfile",
        "platform": {"os": "linux"},
        "sourceLocation": place["relativePath"],
    }
    runs = {registry.post("/scheduleRun", json=request).json()["name"] for _ in range(2)}
    assert len(runs) == 2


def _code(service: httpx.Client, world: World, name: str) -> str:
    """The id of a code asset with one file."""
    place = service.post(f"/codes/{name}/versions/1/startPendingUpload", json={}).json()
    uri = place["blobReferenceForConsumption"]["blobUri"]
    world.part(Blobs).put(uri.rsplit("/", 1)[1], "code.py", b"")
    found: str = service.put(f"/codes/{name}/versions/1", json={"properties": {"codeUri": uri}}).json()["id"]
    return found


def _upload(world: World, address: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(b"FROM scratch\n")
        tar.addfile(entry, io.BytesIO(b"FROM scratch\n"))
    with httpx.Client(verify=world.certificates.trust()) as client:
        headers = {"x-ms-blob-type": "BlockBlob"}
        assert client.put(address, content=buffer.getvalue(), headers=headers).status_code == 201


def _until(service: httpx.Client, url: str, status: str) -> dict[str, Any]:
    """Ask until the status is reached; returns the answer."""
    end = time.monotonic() + 10
    while (found := service.get(url).json())["status"] != status:
        assert time.monotonic() < end, found
        time.sleep(0.02)
    answer: dict[str, Any] = found
    return answer
