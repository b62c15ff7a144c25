"""`ridgeline listen`: the service that starts a run for whatever arrives."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.schemas.objects import FlowRun

LOOK: Final = 0.5
"""Seconds between two looks at what has arrived."""
RECONCILE: Final = 10.0
"""Seconds between two comparisons of the durable facts."""


@click.command()
def listen() -> None:
    """Hear what arrives, start it and what is missing; runs until it is stopped."""
    from recipes import catalog
    from tasks.listening import Listener

    # Prefect has given the root logger its handlers and a level: warnings.
    logging.getLogger("ridgeline").setLevel(logging.INFO)
    listener, due, in_charge = Listener(catalog.names()), time.monotonic(), True

    def reconcile() -> list[FlowRun]:
        listener.take_up(catalog.names())
        return listener.reconcile()

    while True:
        if time.monotonic() >= due:
            in_charge = _is_in_charge(in_charge)
            if not in_charge or _attempt(reconcile):
                due = time.monotonic() + RECONCILE
        if in_charge:
            _attempt(listener.look)
        time.sleep(LOOK)


def _is_in_charge(before: bool) -> bool:
    """Whether this installation may act on the platform; while that cannot be found out, it is as `before`."""
    from platforms.errors import ConflictError, PlatformError
    from tasks import claim

    logger = logging.getLogger("ridgeline.listener")
    try:
        claim.require()
    except ConflictError as error:
        logger.warning("standing by: %s", error)
        return False
    except (PlatformError, OSError) as error:
        logger.warning("cannot look who is in charge now, will try again: %s", error)
        return before
    return True


def _attempt(step: Callable[[], list[FlowRun]]) -> bool:
    """Run one step; whatever the server or the platform cannot do now is told and tried again later."""
    import httpx
    from prefect.exceptions import PrefectException

    from platforms.errors import PlatformError

    logger = logging.getLogger("ridgeline.listener")
    try:
        for run in step():
            logger.info("%s is to run for %s", run.name, run.parameters)
    except (httpx.HTTPError, PrefectException, PlatformError, OSError) as error:
        logger.warning("cannot %s now, will try again: %s", step.__name__, error)
        return False
    return True
