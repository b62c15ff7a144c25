"""Azure Container Registry and its tasks: sources are uploaded, builds run, images are stored by digest.

The default engine unpacks the context and takes its digest for the manifest's; what runs the image later runs the
context. The engine `buildah` builds a real OCI image as well and takes that one's digest.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import tarfile
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator.blobs import Blobs
from tests.emulator.http import Call, CloudError, answer, now, route
from tests.emulator.images import ImageStore
from tests.emulator.resources import Resource
from tests.emulator.world import World

PROVIDER: Final = "Microsoft.ContainerRegistry"
REGISTRY: Final = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/registries/{{registry}}"
)
CONTAINER: Final = "acrtasks"
"""The container of sources and logs, which belongs to the registry."""
NAME: Final = "ridgelineoffline"
OVER: Final = ("Succeeded", "Failed", "Canceled")


class BuildError(Exception):
    """A build failed; the message is the last line of its log."""


class Builds:
    """Every build of one offline Azure. `engine` says how images come to be."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.engine: Literal["unpack", "buildah"] = "unpack"

    def schedule(self, registry: str, request: dict[str, Any]) -> Resource:
        """Begin the build that a run request describes; returns the run's document."""
        with self._lock:
            name = f"cf{next(self._numbers)}"
        properties = {
            "runId": name,
            "status": "Queued",
            "runType": "QuickRun",
            "createTime": now(),
            "lastUpdatedTime": now(),
            "platform": request["platform"],
            "agentConfiguration": request.get("agentConfiguration") or {"cpu": 2},
            "isArchiveEnabled": False,
        }
        entry, _ = self._world.resources.put(f"{registry}/runs/{name}", {"properties": properties})
        thread = threading.Thread(target=self._run, args=[entry.document["id"], request], daemon=True)
        self._threads.append(thread)
        thread.start()
        return entry.document

    def log(self, name: str) -> str:
        """Where a run's log is, in the registry's container."""
        return f"logs/{name}.log"

    def close(self) -> None:
        for thread in self._threads:
            thread.join(20)

    def _run(self, path: str, request: dict[str, Any]) -> None:
        name, registry = path.rsplit("/", 1)[1], path.split("/")[8]
        lines: list[str] = []

        def tell(line: str) -> None:
            lines.append(f"{line}\n")
            self._world.part(Blobs).put(CONTAINER, self.log(name), "".join(lines).encode())

        self._change(path, {"status": "Running", "startTime": now()})
        try:
            images = self._build(name, registry, request, tell)
            tell(f"Run ID: {name} was successful after 1s")
            self._change(path, {"status": "Succeeded", "finishTime": now(), "outputImages": images})
        except BuildError as error:
            tell(str(error))
            self._change(
                path, {"status": "Failed", "finishTime": now(), "runErrorMessage": "failed to run step ID: build"}
            )

    def _build(
        self, name: str, registry: str, request: dict[str, Any], tell: Callable[[str], None]
    ) -> list[dict[str, str]]:
        tell("Downloading source code...")
        store = self._world.part(ImageStore)
        context = store.folder / f"{name}-{uuid.uuid4().hex}"
        self._unpack(request["sourceLocation"], context)
        file = context / request["dockerFilePath"]
        if not file.is_file():
            raise BuildError(f"unable to prepare context: {request['dockerFilePath']} is not there")
        for step in (line for line in file.read_text().splitlines() if line.strip()):
            tell(step)
        digest = _digest(context) if self.engine == "unpack" else _buildah(context, tell)
        images = []
        for image in request["imageNames"]:
            repository, _, tag = image.partition(":")
            store.add(registry, image, digest, context)
            tell(f"Successfully pushed image: {registry}.azurecr.io/{image}")
            place = {"registry": f"{registry}.azurecr.io", "repository": repository, "tag": tag}
            images.append({**place, "digest": digest})
        return images

    def _unpack(self, source: str, context: Path) -> None:
        archive = context.with_suffix(".tar.gz")
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(self._world.part(Blobs).get(CONTAINER, source))
        with tarfile.open(archive) as tar:
            tar.extractall(context, filter="data")
        archive.unlink()

    def _change(self, path: str, new: dict[str, object]) -> None:
        def change(document: Resource) -> None:
            document["properties"] |= {**new, "lastUpdatedTime": now()}

        self._world.resources.change(path, change)


def routes(world: World) -> list[BaseRoute]:
    tasks = Tasks(world)
    return [
        route(f"{REGISTRY}/listBuildSourceUploadUrl", tasks.upload_url, ["POST"]),
        route(f"{REGISTRY}/scheduleRun", tasks.schedule, ["POST"]),
        route(f"{REGISTRY}/taskRuns/{{name}}", tasks.put, ["PUT"]),
        route(f"{REGISTRY}/taskRuns/{{name}}", tasks.get),
        route(f"{REGISTRY}/runs/{{name}}/listLogSasUrl", tasks.log_url, ["POST"]),
    ]


def environment(world: World) -> dict[str, str]:
    """The variable that names the registry."""
    return {"RIDGELINE_AZURE_REGISTRY": NAME}


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

    def schedule(self, call: Call) -> Response:
        """A run by POST: sent twice, it runs twice."""
        return answer(self._world.part(Builds).schedule(self._registry(call), call.body))

    def put(self, call: Call) -> Response:
        """A task run: one that is put again unchanged does not run again."""
        old, body = self._world.resources.find(call.path), call.body
        if old is None or _request(old.document) != _request(body):
            run = self._world.part(Builds).schedule(self._registry(call), body["properties"]["runRequest"])
            body["properties"] |= {"runId": run["name"], "provisioningState": "Creating"}
            self._world.resources.put(call.path, body)
        return answer(self._document(call), 200 if old else 201)

    def get(self, call: Call) -> Response:
        return answer(self._document(call))

    def log_url(self, call: Call) -> Response:
        name = call.parameters["name"]
        self._world.resources.get(f"{self._registry(call)}/runs/{name}")
        builds, blobs = self._world.part(Builds), self._world.part(Blobs)
        return answer({"logLink": blobs.blob_url(CONTAINER, builds.log(name), "r"), "logArtifactLink": None})

    def _document(self, call: Call) -> Resource:
        """A task run with its run as it is now."""
        document = self._world.resources.get(call.path).document
        run = self._world.resources.get(f"{self._registry(call)}/runs/{document['properties'].pop('runId')}").document
        status = run["properties"]["status"]
        document["properties"] |= {"runResult": run, "provisioningState": status if status in OVER else "Creating"}
        return document

    def _registry(self, call: Call) -> str:
        path = REGISTRY.format(**call.parameters)
        if self._world.resources.find(path) is None:
            name = call.parameters["registry"]
            raise CloudError(404, "ResourceNotFound", f"The Resource 'registries/{name}' was not found.")
        return path


def _request(document: Resource) -> tuple[object, object]:
    properties = document["properties"]
    return properties.get("runRequest"), properties.get("forceUpdateTag")


def _digest(context: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(file for file in context.rglob("*") if file.is_file()):
        found.update(f"{file.relative_to(context).as_posix()}\0{file.stat().st_size}\0".encode())
        found.update(file.read_bytes())
    return f"sha256:{found.hexdigest()}"


def _buildah(context: Path, tell: Callable[[str], None]) -> str:
    """Build a real image into a store beside the context; returns its manifest's digest."""
    store = context.with_suffix(".store")
    options = ["--root", str(store), "--runroot", f"{store}.run", "--storage-driver", "vfs"]
    names = store.with_suffix(".iid"), f"dir:{context.with_suffix('.image')}"
    build = ["buildah", *options, "bud", "--isolation", "chroot", "--iidfile", str(names[0]), str(context)]
    _execute(build, tell)
    digest = context.with_suffix(".digest")
    push = ["buildah", *options, "push", "--digestfile", str(digest), names[0].read_text().strip(), names[1]]
    _execute(push, tell)
    return digest.read_text().strip()


def _execute(command: list[str], tell: Callable[[str], None]) -> None:
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in done.stdout.splitlines():
        tell(line)
    if done.returncode:
        raise BuildError(f"`{' '.join(command[:2])}` ended with exit code {done.returncode}")
