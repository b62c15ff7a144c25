"""How far a job is, from Azure ML's run history: the SDK streams logs to a console, this reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

from platforms.azure import clients
from platforms.azure.credentials import credential
from platforms.azure.machine_learning import MachineLearning

if TYPE_CHECKING:
    from azure.core import PipelineClient

COMPLETED: Final = "Completed"
DEAD: Final = frozenset({"Failed", "Canceled"})
"""States that a job does not leave, and that are no success."""
WORKING: Final = DEAD | {COMPLETED, "Running", "Finalizing"}
"""States in which a job has its node; in every other one it waits, and what for may never come."""
COMPUTE_VERSION: Final = "2023-10-01"
"""Version of the API that tells of a cluster's nodes: the SDK's own description leaves them out."""
LOGS: Final = ("azureml-logs/20_image_build_log.txt", "user_logs/std_log.txt")
"""The log of a new environment's image, and that of the job; both in the order in which they are written."""


@dataclass(frozen=True)
class RunDetails:
    """A job as it is now. `logs` are addresses by name, readable for an hour; times are None before they come."""

    status: str
    logs: Mapping[str, str]
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    error: str | None

    @property
    def ended_badly(self) -> bool:
        """Whether it is over without a success."""
        return self.status in DEAD

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self.ended_badly or self.status == COMPLETED

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """The details as the service writes them."""
        error = ((content.get("error") or {}).get("error") or {}).get("message")
        return cls(
            status=content["status"],
            logs=content.get("logFiles") or {},
            created=_time(content.get("createdTimeUtc")),
            started=_time(content.get("startTimeUtc")),
            ended=_time(content.get("endTimeUtc")),
            error=error,
        )


class Waiting:
    """How long a job has made no progress; each change of its status is told."""

    def __init__(self, name: str, tell: Callable[[str], None]) -> None:
        self._name, self._tell = name, tell
        self._status, self._since = "", time.monotonic()

    def seconds(self, status: str) -> float:
        """Seconds for which the job waits by now, in whatever states."""
        if status != self._status:
            self._status = status
            self._tell(f"Azure ML job {self._name} is {status}")
        if status in WORKING:
            self._since = time.monotonic()
        return time.monotonic() - self._since


class RunHistory:
    """Reads run details."""

    def __init__(self, workspace: MachineLearning) -> None:
        self._workspace = workspace

    def details(self, job: str) -> RunDetails:
        """The details of a job; raises `AzureError`."""
        path = f"/history/v1.0{self._workspace.settings.workspace_id}/runs/{job}/details"
        return RunDetails.parse(self._get(self._address + path))

    def allocation_errors(self) -> list[str]:
        """Why the cluster does not get the nodes that it wants, as far as Azure says so; raises `AzureError`."""
        settings = self._workspace.settings
        cluster = f"{settings.resource_manager.rstrip('/')}{settings.workspace_id}/computes/{settings.cluster}"
        nodes = self._get(f"{cluster}?api-version={COMPUTE_VERSION}")["properties"]["properties"]
        return [str(entry["error"]["message"]) for entry in nodes.get("errors") or ()]

    @cached_property
    def _address(self) -> str:
        """Where the workspace's data plane is, as its discovery document says."""
        workspace = self._workspace.client.workspaces.get(self._workspace.settings.workspace)
        return str(self._get(workspace.discovery_url)["api"]).rstrip("/")

    def _get(self, url: str) -> Any:  # noqa: ANN401 - JSON
        from azure.core.rest import HttpRequest

        answer = self._client.send_request(HttpRequest("GET", url))
        answer.raise_for_status()
        return answer.json()

    @cached_property
    def _client(self) -> PipelineClient[Any, Any]:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

        settings = self._workspace.settings
        scope = f"{settings.resource_manager.rstrip('/')}/.default"
        token = BearerTokenCredentialPolicy(credential(settings), scope)
        return PipelineClient("", policies=[RetryPolicy(**clients.retries(settings)), token])


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
