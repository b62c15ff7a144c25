"""`ridgeline listen`: the service that starts a validation for every arriving blob."""

from __future__ import annotations

import logging
import time
from typing import Final

import click

LOOK: Final = 0.5
"""Seconds between two looks at the landing folders."""


@click.command()
def listen() -> None:
    """Watch the landing folders and start a validation for each arrival; runs until it is stopped."""
    import httpx

    from platforms.protocols import PlatformError
    from recipes import catalog
    from tasks.arrivals import Listener

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logger = logging.getLogger("ridgeline.listener")
    listener = Listener(catalog.names())
    while True:
        try:
            for run in listener.look():
                logger.info("started %s for %s", run.name, run.parameters["path"])
        except (httpx.HTTPError, PlatformError) as error:
            logger.warning("cannot start a validation now, will look again: %s", error)
        time.sleep(LOOK)
