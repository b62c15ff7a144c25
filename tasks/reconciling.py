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
        return [] if _is_releasing(recipe) else _restore_each(recipe)


def _restore_each(recipe: str) -> list[Environment]:
    restored, errors = list[Environment](), list[PlatformError]()
    for environment in ENVIRONMENTS:
        try:
            if _restored(recipe, environment):
                restored.append(environment)
        except PlatformError as error:
            errors.append(error)
    if errors:
        raise PlatformError("; ".join(map(str, errors)))
    return restored


def _is_releasing(recipe: str) -> bool:
    return not all(starting.is_exhausted(want) for want in _unreleased(recipe))


def _restored(recipe: str, environment: Environment) -> bool:
    endpoints, wanted = current().endpoints, facts.serving(recipe, environment)
    if wanted is None or endpoints.is_applied(wanted):
        return False
    endpoints.apply(wanted)
    run_logger().warning("%s of %s serves %s again", environment, recipe, wanted.image.name)
    return True
