"""Builds of images: an uploaded context is unpacked, built by an engine, and put into the image store.

The default engine takes the digest of the context for the manifest's; what runs the image later runs the context. The
engine `buildah` builds a real OCI image as well and takes that one's digest.
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

from tests.emulator.blobs import Blobs
from tests.emulator.http import now
from tests.emulator.images import ImageStore
from tests.emulator.resources import Resource
from tests.emulator.world import World

CONTAINER: Final = "acrtasks"
"""The container of sources and logs, which belongs to the registry."""


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

    def schedule(self, registry: str, request: dict[str, Any], task: str | None = None) -> Resource:
        """Begin the build that a run request describes, maybe of a task; returns the run's document."""
        with self._lock:
            name = f"cf{next(self._numbers)}"
        path = f"{registry}/runs/{name}"
        queued = {"runId": name, "status": "Queued", "lastUpdatedTime": now(), "isArchiveEnabled": False}
        answered, _ = self._world.resources.put(path, {"properties": queued})
        self._change(
            path,
            {
                "runType": "QuickRun",
                "createTime": now(),
                "platform": request["platform"],
                "agentConfiguration": request.get("agentConfiguration") or {"cpu": 2},
                **({"task": task} if task else {}),
            },
        )
        thread = threading.Thread(target=self._run, args=[path, request], name="emulator-build", daemon=True)
        self._threads.append(thread)
        thread.start()
        return answered.document

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
        # Whatever went wrong here, whoever waits for the build must hear of it.
        except Exception as error:
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
            # An argument of this name came with Python 3.11.4, and must be given from 3.12 on.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(context)
        archive.unlink()

    def _change(self, path: str, new: dict[str, object]) -> None:
        def change(document: Resource) -> None:
            document["properties"] |= {**new, "lastUpdatedTime": now()}

        self._world.resources.change(path, change)


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
