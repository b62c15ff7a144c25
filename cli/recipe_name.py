"""Recipe names as arguments of commands."""

from __future__ import annotations

import click


def known(name: str) -> str:
    """The name of a recipe that exists; ends the command with a list of those that do."""
    from recipes import catalog

    if name not in catalog.names():
        raise click.ClickException(f"there is no recipe {name}: known are {', '.join(catalog.names())}")
    return name
