"""`ridgeline key`: an API key of an endpoint, for a shell."""

from __future__ import annotations

import click

from cli import recipe_name
from platforms.values import Environment


@click.command()
@click.argument("recipe")
@click.argument("environment", type=click.Choice(["qa", "prod"]), default="prod")
def key(recipe: str, environment: Environment) -> None:
    """Print an API key of RECIPE's endpoint, in prod unless ENVIRONMENT says otherwise.

    Made for a command line: -H "Authorization: Bearer $(ridgeline key diabetes)".
    """
    from cli.services import plain_errors
    from platforms.endpoint_keys import api_key
    from platforms.selection import current

    with plain_errors():
        click.echo(api_key(current().secrets, recipe_name.known(recipe), environment))
