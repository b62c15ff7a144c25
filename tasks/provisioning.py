"""What has to exist once before anything runs: the platform's infrastructure, and the deployments that use it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import httpx
from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from platforms.errors import PlatformError
from platforms.selection import current
from platforms.values import Change
from recipes import catalog
from tasks import publishing, revision
from tasks.run import run_logger

DEPLOYMENTS: Final = "deployments of prefect.yaml"


def place() -> str:
    """What the infrastructure is called, or else the platform."""
    return current().infrastructure.name or current().name


def plan() -> list[Change]:
    """What provisioning would do, in its order; touches nothing. The deployments come last."""
    return [*current().infrastructure.plan(), _deployments()]


def outstanding(changes: Iterable[Change]) -> list[Change]:
    """The changes that are to be made."""
    return [change for change in changes if change.action != "same"]


@task
def report_plan(changes: list[Change]) -> None:
    """Show the plan as a table."""
    table = [{"action": change.action, "resource": change.resource, "why": change.detail} for change in changes]
    create_table_artifact(table, key="provision-plan", description=f"{len(outstanding(changes))} changes")


@task(task_run_name="{change.action} {change.resource}")
def bring_about(change: Change) -> Change:
    """Make one change of the plan; returns what was really done, which is nothing if somebody was faster."""
    if change.resource == DEPLOYMENTS:
        publishing.publish(catalog.names(), publishing.server_url())
        return change
    done = current().infrastructure.apply(change.resource)
    if done.detail:
        run_logger().info("%s", done.detail)
    return done


def destroy(name: str) -> None:
    """Delete the infrastructure and all data in it, if `name` is its name; else raises `PlatformError`."""
    infrastructure = current().infrastructure
    if not infrastructure.name:
        raise PlatformError(f"platform {current().name} has no infrastructure: `ridgeline down` stops what runs")
    if name != infrastructure.name:
        raise PlatformError(f"{name!r} is not {infrastructure.name!r}: nothing was deleted")
    infrastructure.destroy()


def _deployments() -> Change:
    """Whether the server has the deployments of every recipe in this version of the code."""
    server = PREFECT_API_URL.value()
    try:
        published = _published() if server else None
    except httpx.TransportError:
        published = None
    if published is None:
        where = f"no Prefect server answers at {server}" if server else "no Prefect server is known here"
        return Change(DEPLOYMENTS, "same", f"{where}: `ridgeline up` starts one and publishes them")
    wanted, version = catalog.names(), revision.version()
    stale = [name for name in wanted if published.get(name) != {version}]
    if not stale:
        return Change(DEPLOYMENTS, "same")
    missing = all(name not in published for name in wanted)
    return Change(DEPLOYMENTS, "create" if missing else "update", f"{', '.join(stale)}: not at {version}")


def _published() -> dict[str, set[str | None]]:
    """The versions of the deployments on the server, by their name, which is that of a recipe."""
    found: dict[str, set[str | None]] = {}
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            found.setdefault(deployment.name, set()).add(deployment.version)
    return found
