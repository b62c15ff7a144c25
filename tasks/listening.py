"""The listener: a validation for every arriving blob, and, ever so often, whatever else is missing."""

from __future__ import annotations

from collections.abc import Iterable

from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event

from platforms.protocols import Blob
from platforms.selection import current
from tasks import reconciling, starting
from tasks.data import LANDING, batch_id


class Listener:
    """Watches the landing folders and the facts of some recipes; it keeps nothing that it could not find again."""

    def __init__(self, recipes: Iterable[str]) -> None:
        self._recipes = tuple(recipes)
        self._etags: dict[str, str] = {}
        self._started: set[str] = set()
        self._missing: set[str] | None = None

    def look(self) -> list[FlowRun]:
        """Start the validation of every new blob whose etag two looks saw: one that still grows has to wait."""
        landed = [(recipe, blob) for recipe in self._recipes for blob in _landed(recipe)]
        settled = [(recipe, blob) for recipe, blob in landed if self._etags.get(blob.path) == blob.etag]
        self._etags = {blob.path: blob.etag for _, blob in landed}
        self._started &= {batch_id(blob) for _, blob in landed}
        arrived = [(recipe, blob) for recipe, blob in settled if batch_id(blob) not in self._started]
        return [self._start(recipe, blob) for recipe, blob in arrived]

    def reconcile(self) -> list[FlowRun]:
        """Create what was missing already at the last call, when no event can be on its way any more.

        The first call creates all that is missing: nobody listened before.
        """
        wants = {want.key: want for recipe in self._recipes for want in reconciling.missing(recipe)}
        known, self._missing = self._missing, set(wants)
        runs = reconciling.create(want for key, want in wants.items() if known is None or key in known)
        for recipe in self._recipes:
            reconciling.restore_endpoints.fn(recipe)
        return runs

    def _start(self, recipe: str, blob: Blob) -> FlowRun:
        run = starting.first_attempt(starting.validation(recipe, blob))
        self._started.add(batch_id(blob))
        resource = {"prefect.resource.id": f"ridgeline.blob.{blob.path}", "prefect.resource.name": blob.path}
        emit_event("ridgeline.blob.created", resource=resource, payload={"recipe": recipe, "etag": blob.etag})
        return run


def _landed(recipe: str) -> list[Blob]:
    return current().storage.list(f"{LANDING}/{recipe}/")
