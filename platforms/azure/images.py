"""Scoring images in Azure Container Registry, built there by ACR Tasks: nobody needs Docker.

An image is known by the digest of its context, and pulled by the digest of its manifest. A small blob at
`images/<recipe>/<context digest>.json` says which manifest was built of which context, so a context is built once and
no tag is ever written twice. A build is a task run with a name of its own, created by PUT: sent again, or attached to
after a crash, it still is one build. (A run that is scheduled by POST could not be told from one whose request got
lost.)
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from platforms.azure import build_source, clients
from platforms.azure.errors import translated
from platforms.azure.image_manifests import ImageManifests
from platforms.azure.settings import AzureSettings
from platforms.azure.tail import LAST_LOOKS, Tail
from platforms.errors import NotFoundError, PlatformError
from platforms.image_context import SHORT, image_of
from platforms.lines import Lines, unheard
from platforms.protocols import Storage
from platforms.values import Image

if TYPE_CHECKING:
    from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient
    from azure.mgmt.containerregistrytasks.models import TaskRun

FAILED: Final = frozenset({"Failed", "Canceled", "Error", "Timeout"})
SUCCEEDED: Final = "Succeeded"
OVER: Final = FAILED | {SUCCEEDED}
NAME_LENGTH: Final = 50
"""The longest name that a task run may have."""


class AzureImages:
    """Implements `ImageBuilder`."""

    def __init__(self, settings: AzureSettings, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage
        self._manifests = ImageManifests(settings)

    def build(
        self, context: Path, recipe: str, model_version: int, on_line: Callable[[str], None] = unheard
    ) -> Image:
        """Build the context folder, or give the image that was built of that digest before and still is there.

        Raises:
            PlatformError: The context is not what its manifest says, or the build failed; with its last lines.
        """
        image = image_of(context, recipe, model_version)
        with translated(f"build of image {image.name} in registry {self._settings.registry}"):
            if not self.exists(image):
                run = self._run(image, context, Lines(on_line))
                self._record(image, run.properties.output_images[0].digest)
        return image

    def exists(self, image: Image) -> bool:
        """Whether the image was built, and the registry was not told to purge it since."""
        try:
            reference = self.pull_reference(image)
        except NotFoundError:
            return False
        with translated(f"image {image.name} in registry {self._settings.registry}"):
            return self._manifests.exists(_repository(image), reference.partition("@")[2])

    def pull_reference(self, image: Image) -> str:
        """Where a container pulls the image from, by its manifest's digest; raises `NotFoundError`."""
        try:
            with self._storage.open(_path(image)) as record:
                return str(json.loads(record.read())["reference"])
        except NotFoundError:
            raise NotFoundError(
                f"image {image.name} was never built in registry {self._settings.registry}: "
                "release its model version with `rebuild`"
            ) from None

    def _record(self, image: Image, manifest: str) -> None:
        reference = f"{self._settings.registry}.azurecr.io/{_repository(image)}@{manifest}"
        content = {"image": image.reference, "reference": reference}
        self._storage.write(_path(image), json.dumps(content).encode())

    def _run(self, image: Image, context: Path, lines: Lines) -> Any:  # noqa: ANN401 - the SDK has no types
        """Build in a task run, or attach to the one that builds or has built this context."""
        name = _task_run(image)
        found = self._find(name)
        useless = found if found and self._is_useless(found, image) else None
        if found is None or useless:
            self._start(name, image, context)
        return self._follow(name, image, lines, useless)

    def _is_useless(self, task_run: TaskRun, image: Image) -> bool:
        """Whether a task run gave no image, or one that is gone."""
        if (outcome := _outcome(task_run)) == SUCCEEDED:
            manifest = _run_of(task_run).properties.output_images[0].digest
            return not self._manifests.exists(_repository(image), manifest)
        return outcome in FAILED

    def _find(self, name: str) -> TaskRun | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self._client.task_runs.get(*self._registry, name)
        except ResourceNotFoundError:
            return None

    def _start(self, name: str, image: Image, context: Path) -> None:
        from azure.mgmt.containerregistrytasks import models

        source = build_source.upload(self._settings, self._client, *self._registry, context)
        request = models.DockerBuildRequest(
            source_location=source,
            docker_file_path="Dockerfile",
            image_names=[image.name],
            is_push_enabled=True,
            platform=models.PlatformProperties(os="Linux", architecture="amd64"),
            agent_configuration=models.AgentProperties(cpu=self._settings.build_agent_cpus),
        )
        # An unchanged request would not run again, and a failed build shall.
        properties = models.TaskRunProperties(run_request=request, force_update_tag=uuid.uuid4().hex)
        run = models.TaskRun(location=self._settings.location, properties=properties)
        self._client.task_runs.begin_create(*self._registry, name, run, polling=False)

    def _follow(self, name: str, image: Image, lines: Lines, before: TaskRun | None) -> Any:  # noqa: ANN401 - as above
        """Hand on the build's lines until it is over; returns the run, raises `PlatformError` if it failed.

        `before` is an attempt of no use, which the service may still show for a while.
        """
        end = time.monotonic() + self._settings.build_timeout
        tail, looks = Tail(self._settings, lines), 0
        while True:
            found = self._find(name)
            if found and (run := _run_of(found)) and run.properties.run_id != _run_id(before):
                complete = tail.read(self._log(run.properties.run_id))
                looks += run.properties.status in OVER
                if run.properties.status in OVER and (complete or looks == LAST_LOOKS):
                    break
            elif found and _run_of(found) is None and _outcome(found) in FAILED and not _is_same(found, before):
                raise self._refusal(name, image, found)
            if time.monotonic() > end:
                raise self._lateness(name, image, found)
            time.sleep(self._settings.poll_seconds)
        lines.end()
        if run.properties.status in FAILED:
            raise self._failure(image, run, lines)
        return run

    def _log(self, run: str) -> str:
        """A fresh address of a run's log."""
        return str(self._client.runs.get_log_sas_url(*self._registry, run, **clients.REPEATABLE).log_link)

    def _failure(self, image: Image, run: Any, lines: Lines) -> PlatformError:  # noqa: ANN401 - as above
        reason = run.properties.run_error_message or f"it ended {run.properties.status}"
        last = "\n".join(lines.last)
        where = f"run {run.properties.run_id} of registry {self._settings.registry}"
        return PlatformError(f"build of image {image.name} failed in {where}: {reason}. Last lines:\n{last}")

    def _refusal(self, name: str, image: Image, task_run: TaskRun) -> PlatformError:
        return PlatformError(
            f"build of image {image.name} never ran: task run {name} of registry {self._settings.registry} is "
            f"{_outcome(task_run)}. Try again; if it stays so, see `az acr taskrun show -r {self._settings.registry} "
            f"-n {name} -g {self._settings.resource_group}`"
        )

    def _lateness(self, name: str, image: Image, task_run: TaskRun | None) -> PlatformError:
        run = _run_id(task_run)
        step = (
            f"end it by `az acr task cancel-run -r {self._settings.registry} --run-id {run}`" if run else "try again"
        )
        return PlatformError(
            f"build of image {image.name} is not over after {self._settings.build_timeout:g} s "
            f"(RIDGELINE_AZURE_BUILD_TIMEOUT): task run {name} of registry {self._settings.registry} is "
            f"{_outcome(task_run) if task_run else 'not there'}. Wait for it by releasing again, or {step}"
        )

    @property
    def _registry(self) -> tuple[str, str]:
        return self._settings.resource_group, self._settings.registry

    @cached_property
    def _client(self) -> ContainerRegistryTasksMgmtClient:
        from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient

        return clients.management(self._settings, ContainerRegistryTasksMgmtClient)


def _repository(image: Image) -> str:
    return image.name.partition(":")[0]


def _path(image: Image) -> str:
    return f"images/{_repository(image)}/{image.digest}.json"


def _task_run(image: Image) -> str:
    recipe = _repository(image).replace("_", "-")
    return f"{recipe[: NAME_LENGTH - SHORT - 1]}-{image.digest[:SHORT]}"


def _run_of(task_run: TaskRun | None) -> Any:  # noqa: ANN401 - the SDK has no types
    """The run that a task run began, None before that."""
    return task_run.properties.run_result if task_run else None


def _run_id(task_run: TaskRun | None) -> str | None:
    run = _run_of(task_run)
    return str(run.properties.run_id) if run else None


def _outcome(task_run: TaskRun) -> str:
    """How far a task run is: as far as its run, or, without one, as its own provisioning."""
    run = _run_of(task_run)
    status = run.properties.status if run else task_run.properties.provisioning_state
    return str(getattr(status, "value", status))


def _is_same(task_run: TaskRun, other: TaskRun | None) -> bool:
    """Whether both are one attempt: each is put with a tag of its own."""
    return other is not None and task_run.properties.force_update_tag == other.properties.force_update_tag
