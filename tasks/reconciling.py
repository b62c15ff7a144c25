"""Compare durable facts and create what is missing: events may be lost and runs killed, facts stay.

Landing against table and quarantine, table against the gate's decisions, registry against the journal, and the
journal against the endpoints.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final

from prefect import task
from prefect.client.schemas.objects import FlowRun

from platforms.errors import ConflictError, NotFoundError
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
    return [*_unvalidated(recipe), *_unjudged(recipe), *_unreleased(recipe)]


def _unvalidated(recipe: str) -> Iterator[Want]:
    for blob in landed(recipe):
        yield starting.validation(recipe, blob)


def _unjudged(recipe: str) -> Iterator[Want]:
    try:
        newest = current().datasets.version(recipe)
    except NotFoundError:
        return
    if newest.rows and newest.version > facts.judged_version(recipe):
        yield starting.judgement(recipe, newest.version)


def _unreleased(recipe: str) -> Iterator[Want]:
    for model in facts.unreleased(recipe):
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
    """Make every endpoint serve what the journal says, as the settings want it, unless a release is at work or near.

    Returns the endpoints that did not. A release that has failed too often keeps nothing from being put right.
    """
    try:
        with locked(recipe, "release", wait=0):
            return [name for name in ENVIRONMENTS if not _is_releasing(recipe) and _restored(recipe, name)]
    except ConflictError:
        return []


def _is_releasing(recipe: str) -> bool:
    return not all(starting.is_exhausted(want) for want in _unreleased(recipe))


def _restored(recipe: str, environment: Environment) -> bool:
    endpoints, wanted = current().endpoints, facts.serving(recipe, environment)
    if wanted is None or endpoints.is_applied(wanted):
        return False
    endpoints.apply(wanted)
    run_logger().warning("%s of %s serves %s again", environment, recipe, wanted.image.name)
    return True
