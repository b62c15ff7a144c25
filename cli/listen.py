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
    listener, due = Listener(catalog.names()), time.monotonic()

    def reconcile() -> list[FlowRun]:
        listener.take_up(catalog.names())
        return listener.reconcile()

    while True:
        _attempt(listener.look)
        if time.monotonic() >= due and _attempt(reconcile):
            due = time.monotonic() + RECONCILE
        time.sleep(LOOK)


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
