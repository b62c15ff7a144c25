"""A training job as Azure ML takes it: code, data, environment and compute, all by version."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from platforms import jobs
from platforms.azure import environment
from platforms.azure.machine_learning import MachineLearning
from platforms.azure.storage_account import storage_account
from platforms.values import TrainingJob

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Command

CODE: Final = ("training", "recipes", "scoring_service")
"""The packages that go to the compute, and nothing else."""
TABLES: Final = "tables"
"""Where the storage container has the recipes' tables."""


def outputs_path(name: str) -> str:
    """Where the storage container has the outputs of a job."""
    return f"jobs/{name}/outputs"


class JobFactory:
    """Makes jobs of a workspace, and what they refer to there."""

    def __init__(self, workspace: MachineLearning, root: Path, timeout: float) -> None:
        self._workspace = workspace
        self._root = root
        self._timeout = timeout

    def make(self, job: TrainingJob, name: str, scratch: Path) -> Command:
        """The job under the given name; its code is copied below `scratch` and uploaded from there."""
        from azure.ai.ml import Input, Output, command

        client, settings = self._workspace.client, self._workspace.settings
        self._ensure_datastore(client)
        words = ["--table ${{inputs.table}} --out ${{outputs.outputs}}", shlex.join(jobs.arguments(job))]
        made: Command = command(
            name=name,
            display_name=f"{job.recipe}, dataset version {job.dataset_version}",
            experiment_name=job.recipe,
            code=str(snapshot(self._root, scratch / "code")),
            command=" ".join(["python -m training", *words]),
            environment=f"azureml:{environment.ensure(client, settings)}",
            compute=settings.cluster,
            inputs={"table": Input(type="uri_folder", path=self._ensure_data(client, job), mode="ro_mount")},
            # Uploaded only when the job has succeeded: nobody ever sees a part of them.
            outputs={"outputs": Output(type="uri_folder", path=self._uri(outputs_path(name)), mode="upload")},
            environment_variables={"PYTHONUNBUFFERED": "1"},
            tags=_tags(job),
        )
        made.set_limits(timeout=int(self._timeout))
        return made

    def _ensure_datastore(self, client: MLClient) -> None:
        """Make the container known to the workspace; it is opened with the identity of whoever reads."""
        from azure.ai.ml.entities import AzureBlobDatastore
        from azure.core.exceptions import ResourceNotFoundError

        settings = self._workspace.settings
        try:
            client.datastores.get(settings.datastore)
        except ResourceNotFoundError:
            account, container = storage_account(settings).name, settings.container
            made = AzureBlobDatastore(name=settings.datastore, account_name=account, container_name=container)
            client.datastores.create_or_update(made)

    def _ensure_data(self, client: MLClient, job: TrainingJob) -> str:
        """Make the dataset version a data asset, so that Azure ML shows which jobs and models came of it."""
        from azure.ai.ml.entities import Data
        from azure.core.exceptions import ResourceNotFoundError

        version = str(job.dataset_version)
        try:
            client.data.get(job.recipe, version)
        except ResourceNotFoundError:
            path = self._uri(f"{TABLES}/{job.recipe}/")
            text = f"Delta table of recipe {job.recipe}; this is its version {version}"
            made = Data(name=job.recipe, version=version, type="uri_folder", path=path, description=text)
            client.data.create_or_update(made)
        return f"azureml:{job.recipe}:{version}"

    def _uri(self, path: str) -> str:
        return f"azureml://datastores/{self._workspace.settings.datastore}/paths/{path}"


def snapshot(root: Path, folder: Path) -> Path:
    """Copy the code that goes to the compute into the new folder; equal code gives equal files."""
    for package in CODE:
        shutil.copytree(root / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _tags(job: TrainingJob) -> Mapping[str, str]:
    return {"recipe": job.recipe, "dataset_version": str(job.dataset_version), "job": job.name, **job.tags}
