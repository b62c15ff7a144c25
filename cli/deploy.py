"""`ridgeline deploy`: publish the deployments of prefect.yaml for every recipe."""

from __future__ import annotations

import click


@click.command()
def deploy() -> None:
    """Create or update the Prefect deployments of every recipe."""
    from platforms.settings import Settings
    from recipes import catalog
    from tasks.publishing import PublishError, publish

    try:
        publish(catalog.names(), f"{Settings().prefect_url}/api")
    except PublishError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"published the deployments of {', '.join(catalog.names())}")
