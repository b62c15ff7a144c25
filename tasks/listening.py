"""The listener: a validation for every arriving blob, and, ever so often, whatever else is missing."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event
from prefect.exceptions import PrefectException

from platforms.errors import NotFoundError, PlatformError
from platforms.selection import current
from platforms.values import Blob, ModelVersion
from tasks import facts, reconciling, starting
from tasks.areas import is_text, recipe_of
from tasks.starting import Want

log = logging.getLogger(__name__)

ONE_SICK: Final = (PrefectException, PlatformError)
"""What may be wrong with one recipe, and keeps the others from nothing; a server that is gone ends the whole look."""


class Listener:
    """Hears what arrives and compares the facts of some recipes; it keeps nothing that it could not find again."""

    def __init__(self, recipes: Iterable[str]) -> None:
        self._recipes = tuple(recipes)
        self._missing: set[str] | None = None
        self._told: set[str] = set()
        self._doubtful = True
        self._restorer = ThreadPoolExecutor(1, "restorer")
        self._restoring: Future[None] | None = None

    def take_up(self, recipes: Iterable[str]) -> None:
        """Go on with these recipes; one that is new counts once its deployments are published."""
        self._recipes = tuple(name for name in recipes if name in self._recipes or starting.is_published(name))

    def look(self) -> list[FlowRun]:
        """Start what is told to have arrived. A server that is gone is noticed before anything is taken."""
        if self._doubtful:
            starting.greet_server()
        self._doubtful, runs = True, list[FlowRun]()
        current().arrivals.handle(lambda arrival: self._hear(arrival, runs))
        self._doubtful = False
        return runs

    def reconcile(self) -> list[FlowRun]:
        """Create what was missing already at the last call, when no event can be on its way any more.

        The first call creates all that is missing, because nobody listened before, but no validations: a file may
        still grow, and `look` tells when it is complete.
        """
        if self._restoring is None or self._restoring.done():
            # A rollout may take minutes, and what arrives meanwhile shall not wait for it.
            self._restoring = self._restorer.submit(self._restore)
        wants = {want.key: want for recipe in self._recipes for want in _missing(recipe)}
        known, self._missing = self._missing, set(wants)
        if known is None:
            known = {key for key, want in wants.items() if want.flow != "validate-data"}
        return [run for key, want in wants.items() if key in known for run in _created(want)]

    def _restore(self) -> None:
        for recipe in self._recipes:
            try:
                reconciling.restore_endpoints.fn(recipe)
            except Exception as error:
                log.warning("cannot restore the endpoints of %s now, will try again: %s", recipe, error)

    def _hear(self, arrival: Blob | ModelVersion, runs: list[FlowRun]) -> bool:
        if isinstance(arrival, Blob) and not is_text(arrival.path):
            log.warning("the name of %r is no UTF-8: it stays where it is, rename it", arrival.path)
            return True
        recipe = recipe_of(arrival.path) if isinstance(arrival, Blob) else arrival.recipe
        if recipe not in self._recipes:
            log.warning("%s is of no recipe: it stays where it is", arrival)
            return True
        try:
            if isinstance(arrival, Blob):
                runs.append(_validate(recipe, arrival))
                return True
            return self._release(arrival, runs)
        except ONE_SICK as error:
            log.warning("cannot start what %s needs, will try again: %s", arrival, error)
            return False

    def _release(self, model: ModelVersion, runs: list[FlowRun]) -> bool:
        """Start a release for a model whose own event was lost.

        What `retrain` registers has its release by that event. It may still be on its way, so the first time that one
        hears of a model nothing is done. What others registered has no outputs to test it by: it is told and let go.
        """
        want = starting.conclusion(model.recipe, model.version)
        if facts.conclusion(model.recipe, model.version) or starting.runs_about(want, starting.ANY):
            return True
        if want.key not in self._told:
            self._told.add(want.key)
            return False
        try:
            current().registry.get(model.recipe, model.version)
        except NotFoundError as error:
            log.warning("version %d of %s is not released: %s", model.version, model.recipe, error)
            return True
        runs.append(starting.first_attempt(want))
        return True


def _missing(recipe: str) -> list[Want]:
    try:
        return reconciling.missing(recipe)
    except ONE_SICK as error:
        log.warning("cannot look what %s lacks now, will try again: %s", recipe, error)
        return []


def _created(want: Want) -> list[FlowRun]:
    try:
        return reconciling.create([want])
    except ONE_SICK as error:
        log.warning("cannot run %s now, will try again: %s", want.deployment, error)
        return []


def _validate(recipe: str, blob: Blob) -> FlowRun:
    run = starting.first_attempt(starting.validation(recipe, blob))
    resource = {"prefect.resource.id": f"ridgeline.blob.{blob.path}", "prefect.resource.name": blob.path}
    emit_event("ridgeline.blob.created", resource=resource, payload={"recipe": recipe, "etag": blob.etag})
    return run
