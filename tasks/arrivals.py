"""Starting flow runs: the listener's for each arriving blob, and a person's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event

from platforms.protocols import Blob
from platforms.selection import current
from tasks.data import LANDING, batch_id


def start_validation(recipe: str, blob: Blob) -> FlowRun:
    """The validation run of an arrival; the same arrival twice is one run."""
    return _start("validate-data", recipe, {"path": blob.path}, f"{recipe}:{batch_id(blob)}")


def start_retrain(recipe: str, parameters: Mapping[str, object]) -> FlowRun:
    """A new retrain run, as the UI's form starts one."""
    return _start("retrain", recipe, parameters)


def _start(flow: str, recipe: str, parameters: Mapping[str, object], key: str | None = None) -> FlowRun:
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"{flow}/{recipe}")
        return client.create_flow_run_from_deployment(
            deployment.id, parameters={"recipe": recipe, **parameters}, idempotency_key=key
        )


class Listener:
    """Watches the landing folders; hands a blob on once two looks saw the same etag, so no half-written one."""

    def __init__(self, recipes: Iterable[str]) -> None:
        self._recipes = tuple(recipes)
        self._seen: dict[str, str] = {}
        self._started: dict[str, UUID] = {}

    def look(self) -> list[FlowRun]:
        """Start the validation of every blob that has stopped changing; returns the runs started by this look."""
        landed = [(recipe, blob) for recipe in self._recipes for blob in self._landed(recipe)]
        settled = [(recipe, blob) for recipe, blob in landed if self._seen.get(blob.path) == blob.etag]
        self._seen = {blob.path: blob.etag for _, blob in landed}
        arrivals = [(recipe, blob) for recipe, blob in settled if batch_id(blob) not in self._started]
        return [self._validate(recipe, blob) for recipe, blob in arrivals]

    def _landed(self, recipe: str) -> list[Blob]:
        return current().storage.list(f"{LANDING}/{recipe}/")

    def _validate(self, recipe: str, blob: Blob) -> FlowRun:
        run = start_validation(recipe, blob)
        self._started[batch_id(blob)] = run.id
        resource = {"prefect.resource.id": f"ridgeline.blob.{blob.path}", "prefect.resource.name": blob.path}
        emit_event("ridgeline.blob.created", resource=resource, payload={"recipe": recipe, "etag": blob.etag})
        return run
