"""Azure Container Registry and its tasks: where sources are uploaded, and how far builds are."""

from __future__ import annotations

import re
import uuid
from typing import Final
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator.blobs import Blobs
from tests.emulator.builds import CONTAINER, Builds
from tests.emulator.http import Call, CloudError, answer, now, route
from tests.emulator.images import ImageStore
from tests.emulator.resources import Resource
from tests.emulator.world import World

PROVIDER: Final = "Microsoft.ContainerRegistry"
REGISTRY: Final = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/registries/{{registry}}"
)
NAME: Final = "ridgelineoffline"
CONTENT: Final = "/registry-content"
"""Where the registry's own address begins, which is a host of its own in Azure."""
OF_TASK: Final = re.compile(r"TaskName eq '([\w-]+)'")
"""The one filter of runs that is modelled."""


def routes(world: World) -> list[BaseRoute]:
    tasks = Tasks(world)
    return [
        route(f"{REGISTRY}/listBuildSourceUploadUrl", tasks.upload_url, ["POST"]),
        route(f"{REGISTRY}/scheduleRun", tasks.schedule, ["POST"]),
        route(f"{REGISTRY}/tasks/{{name}}", tasks.put, ["PUT"]),
        route(f"{REGISTRY}/runs", tasks.runs),
        route(f"{REGISTRY}/runs/{{name}}/listLogSasUrl", tasks.log_url, ["POST"]),
        route(f"{CONTENT}/oauth2/exchange", exchange, ["POST"]),
        route(f"{CONTENT}/oauth2/token", access, ["POST"]),
        route(f"{CONTENT}/v2/{{repository:path}}/manifests/{{digest}}", lambda call: manifest(world, call), ["HEAD"]),
    ]


def environment(world: World) -> dict[str, str]:
    """The variables that name the registry and say where its content is."""
    return {"RIDGELINE_AZURE_REGISTRY": NAME, "RIDGELINE_AZURE_REGISTRY_ENDPOINT": f"{world.base_url}{CONTENT}"}


def seed(world: World) -> None:
    """The registry that `provision` would make."""
    properties = {"loginServer": f"{NAME}.azurecr.io", "adminUserEnabled": False}
    body = {"location": "westeurope", "sku": {"name": "Basic"}, "properties": properties}
    world.resources.put(f"{world.group_id}/providers/{PROVIDER}/registries/{NAME}", body)


class Tasks:
    """Answers of ACR Tasks."""

    def __init__(self, world: World) -> None:
        self._world = world

    def upload_url(self, call: Call) -> Response:
        self._registry(call)
        path = f"source/{uuid.uuid4().hex}.tar.gz"
        url = self._world.part(Blobs).blob_url(CONTAINER, path, "cw")
        return answer({"relativePath": path, "uploadUrl": url})

    def put(self, call: Call) -> Response:
        """A task; one that is new is answered as one that is not."""
        self._registry(call)
        body = call.body
        body["properties"] = {"creationDate": now(), "isSystemTask": False, "timeout": 3600, **body["properties"]}
        return answer(self._world.resources.put(call.path, body)[0].document)

    def schedule(self, call: Call) -> Response:
        """A run by POST: sent twice, it runs twice. The answer knows only what there is before it runs."""
        registry, request, builds = self._registry(call), call.body, self._world.part(Builds)
        if request["type"] != "TaskRunRequest":
            return answer(builds.schedule(registry, request))
        task = self._world.resources.get(request["taskId"]).document
        built = _build_request(task, request.get("overrideTaskStepProperties") or {})
        return answer(builds.schedule(registry, built, task["name"]))

    def runs(self, call: Call) -> Response:
        """The runs of a registry, or of one of its tasks, the newest first."""
        found = self._world.resources.children(f"{self._registry(call)}/runs")[::-1]
        if (asked := call.query.get("$filter")) is None:
            return answer({"value": found})
        if not (task := OF_TASK.fullmatch(asked)):
            raise CloudError(400, "InvalidFilter", f"The emulator does not model the filter {asked!r}.")
        return answer({"value": [run for run in found if run["properties"].get("task") == task[1]]})

    def log_url(self, call: Call) -> Response:
        name = call.parameters["name"]
        self._world.resources.get(f"{self._registry(call)}/runs/{name}")
        builds, blobs = self._world.part(Builds), self._world.part(Blobs)
        return answer({"logLink": blobs.blob_url(CONTAINER, builds.log(name), "r"), "logArtifactLink": None})

    def _registry(self, call: Call) -> str:
        path = REGISTRY.format(**call.parameters)
        if self._world.resources.find(path) is None:
            name = call.parameters["registry"]
            raise CloudError(404, "ResourceNotFound", f"The Resource 'registries/{name}' was not found.")
        return path


def exchange(call: Call) -> Response:
    """The registry's refresh token for one of Entra ID."""
    form = _form(call, "access_token")
    return answer({"refresh_token": f"refresh {form['access_token'][:8]}"})


def access(call: Call) -> Response:
    """An access token for a scope, which it says in plain text here."""
    form = _form(call, "refresh_token")
    return answer({"access_token": form["scope"]})


def manifest(world: World, call: Call) -> Response:
    """Whether a repository has a manifest; its content is not modelled."""
    repository, digest = call.parameters["repository"], call.parameters["digest"]
    if call.headers.get("authorization") != f"Bearer repository:{repository}:pull":
        raise CloudError(401, "UNAUTHORIZED", "authentication required")
    found = world.part(ImageStore).locate(f"{NAME}.azurecr.io/{repository}@{digest}")
    return Response(status_code=200 if found else 404, headers={"Docker-Content-Digest": digest})


def _form(call: Call, grant: str) -> dict[str, str]:
    form = dict(parse_qsl(call.content.decode()))
    if form.get("grant_type") != grant or form.get("service") != f"{NAME}.azurecr.io" or not form.get(grant):
        raise CloudError(400, "UNSUPPORTED", f"This asks for no token of {NAME}.azurecr.io by {grant}.")
    return form


def _build_request(task: Resource, override: Resource) -> Resource:
    """What a run of a task builds: its step, where the run does not say otherwise."""
    properties = task["properties"]
    step = properties["step"]
    return {
        "sourceLocation": override.get("contextPath") or step["contextPath"],
        "dockerFilePath": override.get("file") or step["dockerFilePath"],
        **{name: step[name] for name in ("imageNames", "isPushEnabled")},
        **{name: properties[name] for name in ("platform", "agentConfiguration")},
    }
