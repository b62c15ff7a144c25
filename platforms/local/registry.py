"""Runs, registered models and the champion in MLflow, on an SQLite file and a folder below the state.

The model version's outputs are copied beside the database before the version is created, so a version is never
without its files, and they outlive the job's own folder.
"""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from filelock import FileLock

from platforms import names
from platforms.errors import ConflictError, NotFoundError, PlatformError
from platforms.local import files
from platforms.values import ModelVersion, TrainingJob

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

CHAMPION: Final = "champion"
JOB_TAG: Final = "ridgeline.job"
VERSION_TAG: Final = "ridgeline.dataset_version"
MISSING: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for a version or a model that does not exist, and for an alias that nothing has."""


class MlflowRegistry:
    """The registry port on `<state>/mlflow/`."""

    def __init__(self, state: Path, ui: str = "http://127.0.0.1:5500") -> None:
        self._folder = state / "mlflow"
        self._ui = ui

    @property
    def uri(self) -> str:
        """The tracking and registry URI, for `mlflow ui`."""
        return f"sqlite:///{self._folder.resolve() / 'mlflow.db'}"

    def prepare(self) -> None:
        """Create the database, which takes seconds the first time; done by the first call of any method otherwise."""
        _ = self._client

    def record(self, job: TrainingJob, outputs: Path, tags: Mapping[str, str]) -> str:
        """Put a training run into the run history, whatever becomes of it; returns its page in MLflow's UI."""
        with self._guard():
            experiment = self._experiment(job.recipe)
            run = self._find_run(experiment, job.name) or self._new_run(experiment, job)
            self._log(run, job, outputs, tags)
            return f"{self._ui}/#/experiments/{experiment}/runs/{run}"

    def register(self, job: TrainingJob, outputs: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Make the job's model the next version; a job that was registered before returns its version."""
        with self._guard():
            for known in self.versions(job.recipe):
                if known.tags.get(JOB_TAG) == job.name:
                    return known
            kept = self._outputs(job.recipe, job.name)
            files.copy_folder(outputs, kept)
            run = self._find_run(self._experiment(job.recipe), job.name)
            self._ensure_model(job.recipe)
            all_tags = {**tags, JOB_TAG: job.name, VERSION_TAG: str(job.dataset_version)}
            created = self._client.create_model_version(job.recipe, (kept / "model").as_uri(), run, tags=all_tags)
            return _version(created)

    def get(self, recipe: str, version: int) -> ModelVersion:
        """One model version; raises `NotFoundError`."""
        from mlflow.exceptions import MlflowException

        try:
            return _version(self._client.get_model_version(recipe, str(version)))
        except MlflowException as error:
            self._require_missing(error)
            raise NotFoundError(f"there is no version {version} of model {recipe!r} in {self.uri}") from None

    def versions(self, recipe: str) -> list[ModelVersion]:
        """Every version, oldest first."""
        found: list[MlflowVersion] = []
        token = None
        while True:
            page = self._client.search_model_versions(f"name = '{recipe}'", max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return sorted((_version(item) for item in found), key=lambda item: item.version)

    def outputs(self, recipe: str, version: int) -> Path:
        """A local folder with the training job's outputs of that version."""
        return self._outputs(recipe, self.get(recipe, version).tags[JOB_TAG])

    def url(self, recipe: str, version: int) -> str:
        """The version's page in MLflow's UI, which `ridgeline mlflow` starts."""
        return f"{self._ui}/#/models/{quote(recipe)}/versions/{version}"

    def champion(self, recipe: str) -> ModelVersion | None:
        """The model version in production, or None before the first release."""
        from mlflow.exceptions import MlflowException

        try:
            return _version(self._client.get_model_version_by_alias(recipe, CHAMPION))
        except MlflowException as error:
            self._require_missing(error)
            return None

    def promote(self, recipe: str, version: int, expected: int | None) -> None:
        """Point the champion at `version` if it still is `expected`; else raises `ConflictError`."""
        with self._guard():
            self.get(recipe, version)
            champion = self.champion(recipe)
            current = champion.version if champion else None
            if current == version:
                return
            if current != expected:
                raise ConflictError(
                    f"the champion of {recipe!r} is version {current}, not {expected}: compare with that one"
                )
            self._client.set_registered_model_alias(recipe, CHAMPION, str(version))

    @cached_property
    def _client(self) -> MlflowClient:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        with warnings.catch_warnings():
            # MLflow warns of its own type hints as it is imported.
            warnings.simplefilter("ignore")
            from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._folder.mkdir(parents=True, exist_ok=True)
        # Two processes that create the tables at once break each other.
        with FileLock(self._folder / ".create"):
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            client.search_experiments(max_results=1)
        return client

    def _guard(self) -> FileLock:
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self._folder / ".guard")

    def _outputs(self, recipe: str, job: str) -> Path:
        folder = self._folder / "models" / names.checked("recipe", recipe)
        return (folder / names.checked("job", job)).resolve()

    def _experiment(self, recipe: str) -> str:
        found = self._client.get_experiment_by_name(recipe)
        if found is not None:
            return str(found.experiment_id)
        location = (self._folder.resolve() / "artifacts" / recipe).as_uri()
        return str(self._client.create_experiment(recipe, artifact_location=location))

    def _find_run(self, experiment: str, job: str) -> str | None:
        found = self._client.search_runs([experiment], f"tags.`{JOB_TAG}` = '{job}'", max_results=1)
        return str(found[0].info.run_id) if found else None

    def _new_run(self, experiment: str, job: TrainingJob) -> str:
        tags = {JOB_TAG: job.name, VERSION_TAG: str(job.dataset_version)}
        return str(self._client.create_run(experiment, tags=tags, run_name=job.name).info.run_id)

    def _log(self, run: str, job: TrainingJob, outputs: Path, tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        numbers = json.loads((outputs / "metrics.json").read_bytes())
        # The job's own parameters are those that were given; these are all that it used.
        parameters = json.loads((outputs / "result.json").read_bytes())["parameters"]
        self._client.log_batch(
            run,
            metrics=[Metric(name, value, now, 0) for name, value in numbers.items()],
            params=[Param(name, str(value)) for name, value in parameters.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self._client.log_artifacts(run, str(outputs / "plots"), "plots")
        self._client.log_artifact(run, str(outputs / "result.json"))
        self._client.set_terminated(run)

    def _ensure_model(self, recipe: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(recipe)
        except MlflowException as error:
            self._require_missing(error)
            self._client.create_registered_model(recipe)

    def _require_missing(self, error: MlflowException) -> None:
        """Raise unless the error says that there is no such thing: a database that fails knows of nothing either."""
        if error.error_code not in MISSING:
            raise PlatformError(f"{self.uri} cannot be read, try again: {error.message}") from error


def _version(found: MlflowVersion) -> ModelVersion:
    return ModelVersion(str(found.name), int(found.version), dict(found.tags))
