"""Registered models in Azure ML, their files in the storage container, the champion pointer beside them.

A version's files are stored at `models/<recipe>/<job>/` before the version is created, so a version is never without
them. Azure ML refuses to give an existing version another path, and the path names the job: so of two jobs that want
the same number one gets it, and a request that is sent twice makes one version.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from platforms import races
from platforms.azure.attempts import Attempts
from platforms.azure.champion import Champions
from platforms.azure.errors import translated
from platforms.azure.folders import Folders
from platforms.azure.machine_learning import MachineLearning
from platforms.errors import ConflictError, NotFoundError, PlatformError
from platforms.values import ModelVersion, TrainingJob

if TYPE_CHECKING:
    from azure.ai.ml.entities import Model

log = logging.getLogger(__name__)

JOB_TAG: Final = "ridgeline.job"
VERSION_TAG: Final = "ridgeline.dataset_version"
ALL_VERSIONS: Final = "All"
"""The list view with the versions that were archived."""


class AzureRegistry:
    """The registry port on `MLClient.models`."""

    def __init__(self, workspace: MachineLearning, folders: Folders, champions: Champions) -> None:
        self._workspace = workspace
        self._folders = folders
        self._champions = champions
        self._attempts = Attempts(workspace)

    def record(self, job: TrainingJob, outputs: Path, tags: Mapping[str, str]) -> str:
        """Add lineage and metrics to the job in Azure ML, whatever becomes of its model; returns the job's page."""
        attempts = self._attempts.of(job.name)
        if not attempts:
            where = self._workspace.settings.workspace
            raise NotFoundError(f"there is no job {job.name} in workspace {where}: run it on the cluster first")
        numbers = json.loads((outputs / "metrics.json").read_bytes())
        metrics = {f"metric.{name}": f"{value:.12g}" for name, value in numbers.items()}
        name = attempts[-1].name
        with translated(f"tags of job {name}"):
            self._workspace.client.jobs.update(name, tags={**tags, **metrics})
        return self._workspace.studio_url(f"runs/{name}")

    def register(self, job: TrainingJob, outputs: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Make the job's model the next version; a job that was registered before returns its version.

        Raises `ConflictError` if others take every number, or hold one that the list of versions does not show yet.
        """
        if made := _version_of(job, self._list(job.recipe)):
            return made
        path = _path(job.recipe, job.name)
        self._folders.upload(outputs, path)
        for _ in races.attempts():
            known = self._list(job.recipe)
            number = 1 + max((int(model.version) for model in known if str(model.version).isdecimal()), default=0)
            if made := _version_of(job, known) or self._create(job, number, f"{path}/model", tags):
                return made
        raise ConflictError(
            f"model {job.recipe!r} of job {job.name} got no version in {races.ATTEMPTS} attempts, at last version "
            f"{number} was taken: its files are stored, register it again"
        )

    def get(self, recipe: str, version: int) -> ModelVersion:
        """One model version; raises `NotFoundError`, also for one that others registered."""
        model = self._model(recipe, version)
        if JOB_TAG not in model.properties:
            raise NotFoundError(f"version {version} of model {recipe!r} was not registered by Ridgeline: retrain it")
        return _version(model)

    def versions(self, recipe: str) -> list[ModelVersion]:
        """Every version, oldest first, those too that were archived in the studio; none that others registered."""
        ours = [_version(model) for model in self._list(recipe) if JOB_TAG in model.properties]
        return sorted(ours, key=lambda item: item.version)

    def outputs(self, recipe: str, version: int) -> Path:
        """A local folder with the training job's outputs of that version."""
        return self._folders.download(_path(recipe, self.get(recipe, version).tags[JOB_TAG]))

    def url(self, recipe: str, version: int) -> str:
        """The version's page in Azure ML studio."""
        return self._workspace.studio_url(f"model/{recipe}:{version}/details")

    def champion(self, recipe: str) -> ModelVersion | None:
        """The model version in production, or None before the first release."""
        version = self._champions.read(recipe)
        return None if version is None else self.get(recipe, version)

    def promote(self, recipe: str, version: int, expected: int | None) -> None:
        """Point the champion at `version` if it still is `expected`; else raises `ConflictError`.

        The models' stages follow the pointer, for people who look at the studio; nothing reads them, so that one that
        cannot be set is only told.
        """
        self.get(recipe, version)
        self._champions.move(recipe, version, expected)
        stages = {version: "Production"} | ({expected: "Archived"} if expected not in (None, version) else {})
        for number, stage in stages.items():
            try:
                self._set_stage(recipe, number, stage)
            except PlatformError as error:
                log.warning("version %d of model %s is not shown as %s: %s", number, recipe, stage, error)

    def _create(self, job: TrainingJob, number: int, path: str, tags: Mapping[str, str]) -> ModelVersion | None:
        """Create the version; None if another job has that number."""
        from azure.ai.ml.entities import Model
        from azure.ai.ml.exceptions import AssetPathException
        from azure.core.exceptions import HttpResponseError

        made = Model(
            name=job.recipe,
            version=str(number),
            type="mlflow_model",
            path=f"azureml://datastores/{self._workspace.settings.datastore}/paths/{path}",
            description=f"trained by job {job.name} on dataset version {job.dataset_version}",
            tags=dict(tags),
            properties={JOB_TAG: job.name, VERSION_TAG: str(job.dataset_version)},
            stage="Development",
        )
        with translated(f"version {number} of model {job.recipe!r}"):
            try:
                return _version(self._workspace.client.models.create_or_update(made))
            except (AssetPathException, HttpResponseError):
                if self._has(job.recipe, number):
                    return None
                raise

    def _list(self, recipe: str) -> list[Model]:
        """Every version there is under the recipe's name, whoever registered it."""
        from azure.core.exceptions import ResourceNotFoundError

        with translated(f"versions of model {recipe!r}"):
            try:
                return list(self._workspace.client.models.list(recipe, list_view_type=ALL_VERSIONS))
            except ResourceNotFoundError:
                return []

    def _has(self, recipe: str, number: int) -> bool:
        try:
            self._model(recipe, number)
        except NotFoundError:
            return False
        return True

    def _set_stage(self, recipe: str, version: int, stage: str) -> None:
        model = self._model(recipe, version)
        model.stage = stage
        with translated(f"stage of version {version} of model {recipe!r}"):
            self._workspace.client.models.create_or_update(model)

    def _model(self, recipe: str, version: int) -> Model:
        from azure.core.exceptions import ResourceNotFoundError

        with translated(f"version {version} of model {recipe!r}"):
            try:
                return self._workspace.client.models.get(recipe, str(version))
            except ResourceNotFoundError:
                where = self._workspace.settings.workspace
                message = f"there is no version {version} of model {recipe!r} in workspace {where}"
                raise NotFoundError(message) from None


def _path(recipe: str, job: str) -> str:
    return f"models/{recipe}/{job}"


def _version_of(job: TrainingJob, known: Iterable[Model]) -> ModelVersion | None:
    return next((_version(model) for model in known if model.properties.get(JOB_TAG) == job.name), None)


def _version(model: Model) -> ModelVersion:
    return ModelVersion(str(model.name), int(model.version), {**model.properties, **model.tags})
