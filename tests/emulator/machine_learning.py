"""Azure Machine Learning: the workspace, its compute, and versioned assets (code, data, environments, models).

Jobs are in `machine_learning_jobs`. What a version is made of never changes: a PUT on one that exists may change its
description, tags, stage and archive mark, and is refused if it names another path.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator import principals
from tests.emulator.blobs import Blobs
from tests.emulator.http import Call, CloudError, answer, now, route
from tests.emulator.resources import Resource, ResourceType
from tests.emulator.world import World

PROVIDER: Final = "Microsoft.MachineLearningServices"
WORKSPACE: Final = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/workspaces/{{workspace}}"
)
ASSETS: Final = ("codes", "data", "environments", "models")
PATHS: Final = {"codes": "codeUri", "data": "dataUri", "models": "modelUri"}
"""The field that says what a version is made of, by kind of asset."""
CHANGEABLE: Final = ("description", "tags", "stage", "isArchived")
ADDED: Final[dict[str, dict[str, Any]]] = {
    "codes": {},
    "data": {"autoDeleteSetting": None, "intellectualProperty": None},
    "environments": {
        "autoDeleteSetting": None,
        "autoRebuild": "Disabled",
        "environmentType": "UserCreated",
        "intellectualProperty": None,
        "osType": "Linux",
        "stage": "Development",
    },
    "models": {
        "autoDeleteSetting": None,
        "flavors": {},
        "intellectualProperty": None,
        "jobName": None,
        "stage": None,
    },
}
"""What the service adds to a version that was put without it."""
COMMON: Final[dict[str, Any]] = {
    "description": None,
    "isAnonymous": False,
    "isArchived": False,
    "properties": {},
    "tags": {},
}
"""What it adds to every one."""
COMPUTE: Final[dict[str, Any]] = {
    "description": None,
    "disableLocalAuth": False,
    "isAttachedCompute": False,
    "provisioningErrors": None,
    "provisioningWarnings": None,
    "resourceId": None,
}
MACHINES: Final[dict[str, Any]] = {
    "allocationState": None,
    "currentNodeCount": None,
    "enableBatchPrivateLink": False,
    "enableNodePublicIp": True,
    "errors": None,
    "isolatedNetwork": False,
    "nodeStateCounts": None,
    "osType": "Linux",
    "remoteLoginPortPublicAccess": "NotSpecified",
    "subnet": None,
    "targetNodeCount": None,
    "virtualMachineImage": None,
}
"""What it adds to a compute cluster, and to the description of its nodes."""


def routes(world: World) -> list[BaseRoute]:
    for kind in ("workspaces", "workspaces/computes"):
        world.resources.register(_type(world, kind))
    assets = [made for kind in ASSETS for made in Assets(world, kind).routes()]
    discovery = {name: world.base_url for name in ("api", "history", "experimentation", "modelmanagement")}
    return [
        route(f"{WORKSPACE}/datastores/{{name}}/listSecrets", _no_secrets, ["POST"]),
        *assets,
        route("/discovery", lambda _: answer(discovery)),
    ]


def seed(world: World) -> None:
    """The workspace and the cluster that `provision` would make."""
    put = world.resources.put
    put(f"{world.group_id}/providers/{PROVIDER}/workspaces/ridgeline", {"location": "westeurope"})
    scale = {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT300S"}
    machines = {"vmSize": "Standard_DS3_v2", "vmPriority": "LowPriority", "scaleSettings": scale}
    body = {"location": "westeurope", "properties": {"computeType": "AmlCompute", "properties": machines}}
    put(f"{world.group_id}/providers/{PROVIDER}/workspaces/ridgeline/computes/ridgeline", body)


def location(world: World, call: Call) -> dict[str, str]:
    """The header that names what a PUT has made."""
    return {"Location": f"{world.base_url}{call.path}?api-version={call.query.get('api-version', '')}"}


def not_found(what: str) -> CloudError:
    """The 404 of this service."""
    return CloudError(404, "UserError", f"The specified resource was not found. {what}")


class Assets:
    """The versions of one kind of asset."""

    def __init__(self, world: World, kind: str) -> None:
        self._world = world
        self._kind = kind

    def routes(self) -> list[BaseRoute]:
        versions = f"{WORKSPACE}/{self._kind}/{{name}}/versions"
        return [
            route(f"{versions}/{{version}}/startPendingUpload", self.start_upload, ["POST"]),
            route(f"{versions}/{{version}}", self.get),
            route(f"{versions}/{{version}}", self.put, ["PUT"]),
            route(versions, self.versions),
        ]

    def get(self, call: Call) -> Response:
        found = self._world.resources.find(call.path)
        if found is None:
            raise not_found(f"{self._kind} {call.parameters['name']}:{call.parameters['version']}")
        return answer(found.document)

    def put(self, call: Call) -> Response:
        old = self._world.resources.find(call.path)
        if old is not None:
            return answer(self._change(call, old.document))
        container = call.path.rsplit("/", 2)[0]
        if self._world.resources.find(container) is None:
            self._world.resources.put(container, {"properties": {"latestVersion": None, "nextVersion": "1"}})
        given = {key: value for key, value in call.body["properties"].items() if value is not None}
        properties = {**COMMON, **ADDED[self._kind], **given}
        entry, _ = self._world.resources.put(call.path, {"properties": properties})
        self._world.resources.change(container, lambda document: _count(document, call.parameters["version"]))
        return answer(entry.document, 201, location(self._world, call))

    def versions(self, call: Call) -> Response:
        if "hash" in call.query:
            return answer({"value": self._by_hash(call)})
        container = call.path.rsplit("/", 1)[0]
        if self._world.resources.find(container) is None:
            raise not_found(f"{self._kind} container with name: {call.parameters['name']} not found.")
        found = [item for item in self._world.resources.children(call.path) if _wanted(item, call)]
        if "createdtime desc" in call.query.get("$orderBy", call.query.get("orderBy", "")):
            found.reverse()
        return answer({"value": found[: int(call.query.get("$top", len(found)))]})

    def start_upload(self, call: Call) -> Response:
        plain, signed = self._world.part(Blobs).container_urls(f"pending-{uuid.uuid4().hex}", "rwlcd")
        place = {
            "blobUri": plain,
            "storageAccountArmId": f"{self._world.group_id}/providers/Microsoft.Storage/storageAccounts/storage",
            "credential": {"credentialType": "SAS", "sasUri": signed},
        }
        kind = {"pendingUploadId": str(uuid.uuid4()), "pendingUploadType": "TemporaryBlobReference"}
        return answer({**kind, "blobReferenceForConsumption": place})

    def _change(self, call: Call, old: Resource) -> Resource:
        new = call.body["properties"]
        path = PATHS.get(self._kind)
        if path and new.get(path) and new[path].lower() != old["properties"][path].lower():
            raise CloudError(400, "UserError", "Asset paths cannot be updated.")

        def change(document: Resource) -> None:
            document["properties"] |= {key: new[key] for key in CHANGEABLE if key in new}

        return self._world.resources.change(call.path, change).document

    def _by_hash(self, call: Call) -> list[Resource]:
        """Versions with this content, whatever their names."""
        workspace = call.path.split("/codes/")[0]
        found = []
        for container in self._world.resources.children(f"{workspace}/{self._kind}"):
            found += self._world.resources.children(f"{container['id']}/versions")
        return [
            item
            for item in found
            if (item["properties"].get("properties") or {}).get("hash_sha256") == call.query["hash"]
        ]


def _wanted(item: Resource, call: Call) -> bool:
    view = call.query.get("listViewType", "ActiveOnly")
    archived = bool(item["properties"].get("isArchived"))
    return view == "All" or archived == (view == "ArchivedOnly")


def _count(document: Resource, version: str) -> None:
    document["properties"]["latestVersion"] = version
    if version.isdigit():
        document["properties"]["nextVersion"] = str(int(version) + 1)


def _no_secrets(call: Call) -> Response:
    raise CloudError(
        400, "UserError", f"Datastore '{call.parameters['name']}' holds no secrets: it is read by identity."
    )


def _type(world: World, kind: str) -> ResourceType:
    def complete(document: Resource, old: Resource | None) -> None:
        known: dict[str, Any] = (old or document)["properties"]
        base = world.base_url
        principals.give_identity(world, document, old)
        document["properties"] |= {
            "discoveryUrl": f"{base}/discovery",
            "workspaceId": known.get("workspaceId") or str(uuid.uuid4()),
            "mlFlowTrackingUri": f"azureml://{base.partition('://')[2]}/mlflow/v1.0{document['id']}",
        }

    def complete_compute(document: Resource, old: Resource | None) -> None:
        machines = document["properties"].get("properties") or {}
        times = {"createdOn": (old or document)["systemData"]["createdAt"], "modifiedOn": now()}
        nodes = {**MACHINES, **machines, "vmSize": machines.get("vmSize", "").upper()}
        document["properties"] = {**COMPUTE, **document["properties"], **times, "properties": nodes}
        document.setdefault("tags", None)

    check = complete if kind == "workspaces" else complete_compute
    return ResourceType(f"{PROVIDER}/{kind}", check=check, long_running=True)
