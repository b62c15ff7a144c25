"""`ridgeline provision`: the one-time infrastructure of the platform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from platforms.values import Change


@click.command()
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be created or updated; touch nothing.")
@click.option("--destroy", is_flag=True, help="Delete everything, with all data in it; asks for the name.")
def provision(only_plan: bool, destroy: bool) -> None:
    """Create or update what the platform needs, and publish the deployments; a second time changes nothing."""
    if only_plan and destroy:
        raise click.UsageError("--plan and --destroy exclude each other")
    from cli.services import adopt_configured, plain_errors

    with plain_errors():
        adopt_configured()
        if destroy:
            _destroy()
        elif only_plan:
            _show_plan()
        else:
            _provision()


def _show_plan() -> None:
    from tasks import provisioning

    changes = provisioning.plan()
    click.echo("\n".join(_lines(changes)))
    click.echo(f"{len(provisioning.outstanding(changes))} of {len(changes)} would change")


def _provision() -> None:
    from flows.provision import provision as run
    from platforms.selection import current

    with _some_server():
        state = run(return_state=True)
    if not state.is_completed():
        raise click.ClickException(f"{state.name}: {state.message}")
    click.echo(f"{state.name}: {state.message}")
    for name, value in current().infrastructure.chosen().items():
        click.echo(f"{name}={value}")


@contextmanager
def _some_server() -> Iterator[None]:
    """The Prefect server that `.env` names; if it does not answer, one of Prefect's own for the time of the run."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        with get_client(sync_client=True) as client:
            if client.api_healthcheck():
                with temporary_settings(restore_defaults={PREFECT_API_URL}):
                    yield
                return
    yield


def _destroy() -> None:
    from platforms.selection import current
    from tasks import provisioning

    name = current().infrastructure.name
    question = f"Everything in {name!r} will be deleted, with all data. Type its name" if name else ""
    provisioning.destroy(click.prompt(question) if name else "")
    click.echo(f"{name} is deleted")


def _lines(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        yield f"{change.action:<7} {change.resource}{f' ({change.detail})' if change.detail else ''}"
