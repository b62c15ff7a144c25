"""An image's own task in ACR Tasks, whose runs are the builds of that image.

A run is scheduled by POST, and shows nothing of what was asked for but the name of its task. So each image has a task
of its own: by its name a run is found again whose answer was lost, and one that somebody scheduled who was killed.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from platforms.azure import build_source, clients
from platforms.azure.settings import AzureSettings
from platforms.image_context import SHORT
from platforms.values import Image

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient
    from azure.mgmt.containerregistrytasks.models import Run, Task, TaskRunRequest

NAME_LENGTH: Final = 50
"""The longest name that a task may have."""
ONCE: Final = {"retry_total": 0}
"""For a request that may not be sent again before somebody has looked whether it arrived."""
AGAIN: Final = frozenset({408, 429})
"""What is no refusal, although it is the client's fault."""


class ImageTask:
    """The task of one image in a registry; its methods raise what the SDK raises."""

    def __init__(self, settings: AzureSettings, client: ContainerRegistryTasksMgmtClient, image: Image) -> None:
        self._settings = settings
        self._client = client
        self._image = image
        self._registry = settings.resource_group, settings.registry
        self.name = f"{image.repository.replace('_', '-')[: NAME_LENGTH - SHORT - 1]}-{image.digest[:SHORT]}"

    def newest_run(self) -> Run | None:
        """The run that was scheduled last; None if there was none yet."""
        runs = self._client.runs.list(*self._registry, filter=f"TaskName eq '{self.name}'")
        return max(runs, key=_created, default=None)

    def run(self, run_id: str) -> Run:
        """A run as it is now."""
        return self._client.runs.get(*self._registry, run_id)

    def log(self, run_id: str) -> str:
        """A fresh address of a run's log."""
        return str(self._client.runs.get_log_sas_url(*self._registry, run_id, **clients.REPEATABLE).log_link)

    def schedule(self, context: Path, before: Run | None) -> Run:
        """Upload the context folder and have it built once; `before` is the newest run until now."""
        from azure.mgmt.containerregistrytasks import models

        source = build_source.upload(self._settings, self._client, *self._registry, context)
        task = self._client.tasks.create(*self._registry, self.name, self._document(source))
        # A task has to name a source; that one may be an upload is known of what a run overrides: `az acr task run`.
        step = models.OverrideTaskStepProperties(context_path=source)
        return self._scheduled(models.TaskRunRequest(task_id=task.id, override_task_step_properties=step), before)

    def _scheduled(self, request: TaskRunRequest, before: Run | None) -> Run:
        """The run that the request begins. Before it is sent again, the task's runs tell whether it arrived."""
        from azure.core.exceptions import AzureError

        attempt = 0
        while True:
            try:
                return self._client.registries.schedule_run(*self._registry, request, **ONCE)
            except AzureError as error:
                if attempt == self._settings.retries or _is_refusal(error):
                    raise
            time.sleep(self._settings.retry_wait * 2**attempt)
            attempt += 1
            if (run := self.newest_run()) and run_id(run) != (before and run_id(before)):
                return run

    def _document(self, source: str) -> Task:
        from azure.mgmt.containerregistrytasks import models

        step = models.DockerBuildStep(
            context_path=source, docker_file_path="Dockerfile", image_names=[self._image.name], is_push_enabled=True
        )
        properties = models.TaskProperties(
            status="Enabled",
            step=step,
            platform=models.PlatformProperties(os="Linux", architecture="amd64"),
            agent_configuration=models.AgentProperties(cpu=self._settings.build_agent_cpus),
        )
        return models.Task(location=self._settings.location, properties=properties)


def run_id(run: Run) -> str:
    """What a run is known by in its registry."""
    return str(run.properties.run_id)


def status(run: Run) -> str:
    """How far a run is, in the service's words."""
    found = run.properties.status
    return str(getattr(found, "value", found))


def _created(run: Run) -> datetime:
    """When a run was created, which one that is not yet being prepared does not tell."""
    return run.properties.create_time or datetime.max.replace(tzinfo=UTC)


def _is_refusal(error: AzureError) -> bool:
    code = getattr(error, "status_code", None) or 0
    return 400 <= code < 500 and code not in AGAIN
