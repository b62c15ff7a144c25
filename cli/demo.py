"""`ridgeline demo`: the whole loop on the diabetes data, from an empty state to a rejected candidate."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from platforms.settings import Settings

STATE: Final = ".ridgeline/demo"


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running, and let .env point to it.")
def demo(keep: bool) -> None:
    """Land data, train, release, improve and reject a model of the diabetes recipe, then stop what was started."""
    from cli import dotenv
    from cli.services import plain_errors
    from platforms.local import control, postgres
    from platforms.settings import Settings

    settings, started = Settings(state=Path(STATE)), time.monotonic()

    report = timed(started)
    control.stop(settings.state_dir)
    postgres.wipe(settings.state_dir)
    with plain_errors(), _services(settings, report, keep):
        if code := control.run(settings, "cli.story", str(started)):
            sys.exit(code)
    if keep:
        dotenv.write(settings)


def timed(started: float) -> Callable[[str], None]:
    """How lines are told, each after the seconds since a time of the monotonic clock."""

    def report(line: str) -> None:
        click.echo(f"[{time.monotonic() - started:5.1f} s] {line}")

    return report


@contextmanager
def _services(settings: Settings, report: Callable[[str], None], keep: bool) -> Iterator[None]:
    """The services of the demo, ended with it unless they are to be kept."""
    from platforms.local import control

    control.start(settings, report, tied=not keep)
    control.adopt(settings)
    try:
        yield
    except BaseException:
        control.stop(settings.state_dir)
        raise
    if keep:
        report("everything is still running: `make down` stops it")
        return
    control.stop(settings.state_dir)
    report("everything that was started is stopped again; with KEEP=1 it goes on")
