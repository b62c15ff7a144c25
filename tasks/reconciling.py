"""Compare durable facts and create what is missing: events may be lost and runs killed, facts stay.

Landing against table and quarantine, table against the gate's decisions, registry against the journal, and the
journal against the endpoints.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Final

from prefect import task
from prefect.client.schemas.objects import FlowRun

from platforms.errors import ConflictError, NotFoundError, PlatformError
from platforms.selection import current
from platforms.values import Environment
from tasks import facts, starting
from tasks.areas import landed
from tasks.run import locked, run_logger
from tasks.starting import Want

SETTLED: Final = 2.0
"""Seconds after which a file that has not changed counts as complete."""
ENVIRONMENTS: tuple[Environment, ...] = ("qa", "prod")


def missing(recipe: str) -> list[Want]:
    """The runs without which the recipe's facts contradict each other."""
    entries = facts.read(recipe)
    return [*_unvalidated(recipe), *_unjudged(recipe, entries), *_unreleased(recipe, entries)]


def _unvalidated(recipe: str) -> Iterator[Want]:
    for blob in landed(recipe):
        yield starting.validation(recipe, blob)


def _unjudged(recipe: str, entries: facts.Entries) -> Iterator[Want]:
    try:
        newest = current().datasets.version(recipe)
    except NotFoundError:
        return
    if newest.rows and newest.version > facts.judged_version(recipe, entries):
        yield starting.judgement(recipe, newest.version)


def _unreleased(recipe: str, entries: facts.Entries) -> Iterator[Want]:
    for model in facts.unreleased(recipe, entries):
        yield starting.conclusion(recipe, model.version)


def create(wants: Iterable[Want]) -> list[FlowRun]:
    """Start, or find under way, a run for each; what failed too often is only told."""
    runs = []
    for want in wants:
        if run := starting.ensure(want):
            runs.append(run)
        else:
            run_logger().error(
                "%s with %s=%s has failed %d times: mend the cause, then start it by hand",
                want.deployment,
                want.parameter,
                want.value,
                starting.ATTEMPTS,
            )
    return runs


@task
def create_missing_runs(recipe: str) -> list[FlowRun]:
    """Create all that is missing of a recipe, of its landing folder what has stopped growing."""
    first = {want.key for want in missing(recipe)}
    if not first:
        return []
    # A file that still grows has another etag by then, so another key.
    time.sleep(SETTLED)
    return create(want for want in missing(recipe) if want.key in first)


@task
def restore_endpoints(recipe: str) -> list[Environment]:
    """Make every endpoint serve what the journal says, by today's settings and to who has one of its keys of now.

    It does nothing while a release is at work or about to be.

    Returns the endpoints that did not. A release that has failed too often keeps nothing from being put right, nor
    does one endpoint another. Raises `PlatformError` with all that could not be put right.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(recipe, "release", wait=0))
        except ConflictError:
            return []
        # Only releases write what is asked here, and their lock is held: one look holds for both endpoints.
        entries = facts.read(recipe)
        return [] if _is_releasing(recipe, entries) else _restore_each(recipe, entries)


def _restore_each(recipe: str, entries: facts.Entries) -> list[Environment]:
    restored, errors = list[Environment](), list[PlatformError]()
    for environment in ENVIRONMENTS:
        try:
            if _restored(recipe, environment, entries):
                restored.append(environment)
        except PlatformError as error:
            errors.append(error)
    if errors:
        raise PlatformError("; ".join(map(str, errors)))
    return restored


def _is_releasing(recipe: str, entries: facts.Entries) -> bool:
    return not all(starting.is_exhausted(want) for want in _unreleased(recipe, entries))


def _restored(recipe: str, environment: Environment, entries: facts.Entries) -> bool:
    endpoints, wanted = current().endpoints, facts.serving(recipe, environment, entries)
    if wanted is None or endpoints.is_applied(wanted):
        return False
    endpoints.apply(wanted)
    run_logger().warning("%s of %s serves %s again", environment, recipe, wanted.image.name)
    return True
