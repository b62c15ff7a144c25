"""`ridgeline deploy`: publish the deployments of prefect.yaml for every recipe."""

from __future__ import annotations

import click


@click.command()
def deploy() -> None:
    """Create or update the Prefect deployments of every recipe."""
    from cli.services import adopt_configured, plain_errors

    with plain_errors():
        settings = adopt_configured()
        from recipes import catalog
        from tasks.publishing import publish

        publish(catalog.names(), f"{settings.prefect_url}/api")
    click.echo(f"published the deployments of {', '.join(catalog.names())}")
