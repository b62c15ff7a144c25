"""How far a job is, from Azure ML's run history: the SDK streams logs to a console, this reads them."""

from __future__ import annotations

from collections.abc import Mapping
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


class RunHistory:
    """Reads run details."""

    def __init__(self, workspace: MachineLearning) -> None:
        self._workspace = workspace

    def details(self, job: str) -> RunDetails:
        """The details of a job; raises `AzureError`."""
        path = f"/history/v1.0{self._workspace.settings.workspace_id}/runs/{job}/details"
        return RunDetails.parse(self._get(self._address + path))

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
