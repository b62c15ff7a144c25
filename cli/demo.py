"""`ridgeline demo`: the whole loop on the diabetes data, from an empty state to a rejected candidate."""

from __future__ import annotations

import os
import time
from typing import Final

import click

STATE: Final = ".ridgeline/demo"


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running, and let .env point to it.")
def demo(keep: bool) -> None:
    """Land data, train, release, improve and reject a model of the diabetes recipe, then stop what was started."""
    os.environ["RIDGELINE_STATE"] = STATE
    from platforms.settings import Settings

    settings, started = Settings(), time.monotonic()
    os.environ["PREFECT_API_URL"] = f"{settings.prefect_url}/api"
    from cli.services import running_services

    def report(line: str) -> None:
        click.echo(f"[{time.monotonic() - started:5.1f} s] {line}")

    with running_services(settings, report, wipe=True, keep=keep):
        from cli import story

        try:
            story.play(settings, report)
        except story.StoryError as error:
            raise click.ClickException(str(error)) from error
        report("the loop is closed; in short:")
        click.echo(story.summary(settings))
    click.echo("everything is still running: `make down` stops it" if keep else "everything is stopped again")
