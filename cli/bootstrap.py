"""What `ridgeline up` does once the services run: deployments, first data, and waiting until all is settled.

Run by their launcher, as `python -m cli.bootstrap DEADLINE SINCE [--take-over]`: a time of the monotonic clock, which
all processes share, and an ISO time.
"""

from __future__ import annotations

import time
from datetime import datetime

import click

from cli.chain import ChainError, Follower, Report, Stage, refusal
from cli.services import plain_errors
from platforms.errors import NotFoundError
from platforms.local import control
from platforms.selection import current
from platforms.settings import Settings
from platforms.values import Blob
from recipes import catalog
from tasks import claim, facts
from tasks.areas import LANDING, landed
from tasks.publishing import publish


def settle(settings: Settings, report: Report, deadline: float, since: datetime) -> None:
    """Publish the deployments, land seed data where there is none, and wait until qa and prod serve the champion.

    Every run that was missing or landed is waited for, and a release that failed its tests after `since` is an error.
    Raises `ChainError` with what is wrong with each recipe, `PublishError` when Prefect refuses a deployment,
    `ConflictError` when another installation has claimed the platform.
    """
    claim.require()
    publish_all(settings)
    report("deployments are published")
    problems = [_problem(recipe, report, deadline, since) for recipe in catalog.names()]
    if any(problems):
        raise ChainError("\n".join(filter(None, problems)))


def publish_all(settings: Settings) -> None:
    """Publish the deployments of every recipe by the services that run here; raises `PublishError`."""
    publish(catalog.names(), f"{settings.prefect_url}/api", python=control.python(settings))


def _problem(recipe: str, report: Report, deadline: float, since: datetime) -> str:
    """Settle one recipe; what went wrong keeps no other recipe from its data."""
    try:
        _settle(recipe, report, deadline, since)
    except ChainError as error:
        return str(error)
    return ""


def _settle(recipe: str, report: Report, deadline: float, since: datetime) -> None:
    follower = Follower(recipe, report, deadline - time.monotonic())
    for blob in waiting_or_seed(recipe, report):
        follower.batch(blob)
    follower.rest()
    _require_passed(recipe, since)
    if not _serves(recipe, follower.stages):
        report(f"{recipe} waits for its first data")
        return
    wait_ready(recipe, deadline)
    report(f"endpoints of {recipe} are ready")


def _require_passed(recipe: str, since: datetime) -> None:
    """Raise if a release failed its tests, whoever started it: what served before serves on."""
    for entry in current().journal.entries(recipe):
        if entry.action not in facts.FAILED or entry.time < since or entry.model_version is None:
            continue
        if facts.conclusion(recipe, entry.model_version) == entry:
            raise ChainError(refusal(entry))


def _serves(recipe: str, stages: list[Stage]) -> bool:
    """Whether something is in production; raises `ChainError` if nothing is but data landed or a model exists."""
    registry = current().registry
    if registry.champion(recipe):
        return True
    models = registry.versions(recipe)
    if models and (entry := facts.conclusion(recipe, models[-1].version)):
        raise ChainError(f"nothing serves {recipe}: {refusal(entry)}")
    if stages:
        last = stages[-1]
        raise ChainError(
            f"nothing serves {recipe}: {last.flow} ended {last.outcome}: {last.message}; "
            f"`ridgeline ingest` data that holds, or start retrain/{recipe}"
        )
    return False


def waiting_or_seed(recipe: str, report: Report) -> list[Blob]:
    """The blobs that still wait for validation; where there is no data yet, the seed, if any, which it lands."""
    waiting = landed(recipe)
    if waiting or _has_data(recipe):
        return waiting
    if catalog.load(recipe).seed_data().empty:
        return []
    report(f"landing the seed data of {recipe}")
    return [land_rows(recipe, "seed.csv", slice(None))]


def _has_data(recipe: str) -> bool:
    try:
        return current().datasets.version(recipe).rows > 0
    except NotFoundError:
        return False


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


@click.command()
@click.argument("deadline", type=float)
@click.argument("since", type=click.DateTime(["%Y-%m-%dT%H:%M:%S.%f%z"]))
@click.option("--take-over", is_flag=True)
def main(deadline: float, since: datetime, take_over: bool) -> None:
    """Settle the installation that the environment names, and tell it line by line."""
    with plain_errors():
        if take_over:
            claim.take_over()
        settle(Settings(), click.echo, deadline, since)


if __name__ == "__main__":
    main()
