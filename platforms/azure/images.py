"""Scoring images in Azure Container Registry, built there by ACR Tasks: nobody needs Docker.

An image is known by the digest of its context, and pulled by the digest of its manifest. A small blob at
`images/<recipe>/<context digest>.json` says which manifest was built of which context, so a context is built once and
no tag is ever written twice. A build is a run of the image's own task: one that is under way when somebody asks for
the image, or has ended since, is attached to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from platforms.azure import clients
from platforms.azure.errors import translated
from platforms.azure.image_manifests import ImageManifests
from platforms.azure.image_task import ImageTask, run_id, status
from platforms.azure.settings import AzureSettings
from platforms.azure.tail import LAST_LOOKS, Tail
from platforms.errors import NotFoundError, PlatformError
from platforms.image_context import image_of
from platforms.lines import Lines, unheard
from platforms.protocols import Storage
from platforms.values import Image

if TYPE_CHECKING:
    from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient
    from azure.mgmt.containerregistrytasks.models import Run

FAILED: Final = frozenset({"Failed", "Canceled", "Error", "Timeout"})
SUCCEEDED: Final = "Succeeded"
OVER: Final = FAILED | {SUCCEEDED}


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
            return self._manifests.exists(image.repository, reference.partition("@")[2])

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
        reference = f"{self._settings.registry}.azurecr.io/{image.repository}@{manifest}"
        content = {"image": image.reference, "reference": reference}
        self._storage.write(_path(image), json.dumps(content).encode())

    def _run(self, image: Image, context: Path, lines: Lines) -> Run:
        """Have the context built, or attach to the run that builds or has built it."""
        task = ImageTask(self._settings, self._client, image)
        run = task.newest_run()
        if run is None or self._is_useless(run, image):
            run = task.schedule(context, run)
        return self._follow(task, run_id(run), image, lines)

    def _is_useless(self, run: Run, image: Image) -> bool:
        """Whether a run gave no image, or one that is gone."""
        if status(run) == SUCCEEDED:
            return not self._manifests.exists(image.repository, run.properties.output_images[0].digest)
        return status(run) in FAILED

    def _follow(self, task: ImageTask, number: str, image: Image, lines: Lines) -> Run:
        """Hand on the build's lines until it is over; returns the run, raises `PlatformError` if it failed."""
        end = time.monotonic() + self._settings.build_timeout
        tail, looks = Tail(self._settings, lines), 0
        while True:
            run = task.run(number)
            complete = tail.read(task.log(number))
            looks += status(run) in OVER
            if status(run) in OVER and (complete or looks == LAST_LOOKS):
                break
            if time.monotonic() > end:
                raise self._lateness(run, image)
            time.sleep(self._settings.poll_seconds)
        lines.end()
        if status(run) in FAILED:
            raise self._failure(run, image, lines)
        return run

    def _failure(self, run: Run, image: Image, lines: Lines) -> PlatformError:
        reason = run.properties.run_error_message or f"it ended {status(run)}"
        last = "\n".join(lines.last)
        where = f"run {run_id(run)} of registry {self._settings.registry}"
        return PlatformError(f"build of image {image.name} failed in {where}: {reason}. Last lines:\n{last}")

    def _lateness(self, run: Run, image: Image) -> PlatformError:
        registry, number = self._settings.registry, run_id(run)
        return PlatformError(
            f"build of image {image.name} is not over after {self._settings.build_timeout:g} s "
            f"(RIDGELINE_AZURE_BUILD_TIMEOUT): run {number} of registry {registry} is {status(run)}. "
            f"Wait for it by releasing again, or end it by `az acr task cancel-run -r {registry} --run-id {number}`"
        )

    @cached_property
    def _client(self) -> ContainerRegistryTasksMgmtClient:
        from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient

        return clients.management(self._settings, ContainerRegistryTasksMgmtClient)


def _path(image: Image) -> str:
    return f"images/{image.repository}/{image.digest}.json"
