"""What `ridgeline up` does once the services run: deployments, first data, and waiting until all is settled."""

from __future__ import annotations

import time
from typing import Final

from cli.chain import ChainError, Follower, Report
from platforms.selection import current
from platforms.settings import Settings
from platforms.values import Blob
from recipes import catalog
from tasks import facts
from tasks.data import LANDING
from tasks.publishing import publish

SETTLE: Final = 400.0
"""Seconds that `up` waits for the runs that it caused and for the endpoints."""


def settle(settings: Settings, report: Report) -> None:
    """Publish the deployments, land seed data where there is none, and wait until qa and prod serve the champion.

    Raises `ChainError` when a run fails or the time is over, `PublishError` when Prefect refuses a deployment.
    """
    deadline = time.monotonic() + SETTLE
    publish(catalog.names(), f"{settings.prefect_url}/api")
    report("deployments are published")
    for recipe in catalog.names():
        for blob in waiting_or_seed(recipe, report):
            Follower(recipe, report, deadline - time.monotonic()).batch(blob)
        wait_ready(recipe, deadline)
        report(f"endpoints of {recipe} are ready")


def waiting_or_seed(recipe: str, report: Report) -> list[Blob]:
    """The blobs that still wait for validation; on an empty state, the seed data, which it lands."""
    platform = current()
    waiting = platform.storage.list(f"{LANDING}/{recipe}/")
    if waiting or platform.registry.versions(recipe):
        return waiting
    report(f"landing the seed data of {recipe}")
    return [land_rows(recipe, "seed.csv", slice(None))]


def land_rows(recipe: str, name: str, rows: slice) -> Blob:
    """Put a part of the recipe's seed data into its landing folder as a CSV file."""
    content = catalog.load(recipe).seed_data()[rows].to_csv(index=False).encode()
    return current().storage.write(f"{LANDING}/{recipe}/{name}", content)


def wait_ready(recipe: str, deadline: float) -> None:
    """Wait until the endpoints of a recipe that has a champion serve it; qa may be there for its tests only."""
    platform = current()
    champion = platform.registry.champion(recipe)
    while champion:
        qa, prod = platform.endpoints.status(recipe, "qa"), platform.endpoints.status(recipe, "prod")
        if prod and prod.ready and (qa is None or qa.ready or facts.serving(recipe, "qa") is None):
            return
        if time.monotonic() > deadline:
            raise ChainError(f"endpoints of {recipe} are not ready: see `ridgeline status`")
        time.sleep(0.2)
