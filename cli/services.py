"""`ridgeline up`, `down` and `status`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from platforms.settings import Settings

READY: Final = 400.0
"""Seconds that `up` gives the services to start, the runs that it caused to end and the endpoints to get ready."""


@click.command()
@click.option("--detach", is_flag=True, help="Return when everything is ready, and leave it running.")
@click.option("--take-over", is_flag=True, help="Act on a platform that another installation has claimed.")
def up(detach: bool, take_over: bool) -> None:
    """Start all services, wait until everything they cause is done, and bring the endpoints back.

    Without `--detach` it runs until Ctrl-C and then stops everything.
    """
    from platforms.local import control

    settings = _settings()
    settling = [str(time.monotonic() + READY), datetime.now(UTC).isoformat(), *["--take-over"] * take_over]
    with plain_errors(), _interruptible():
        started = control.start(settings, click.echo, tied=not detach)
        with _stopped_by_interrupt(settings) if started else nullcontext():
            if not started:
                click.echo(f"already running: Prefect at {settings.prefect_url}")
            _bring_up(settings, settling, stays=started and not detach)
        if started and not detach:
            with suppress(KeyboardInterrupt), _stopped_by_interrupt(settings):
                control.follow(settings)


def _bring_up(settings: Settings, settling: Sequence[str], *, stays: bool) -> None:
    """Let `cli.bootstrap` settle all; services in the foreground outlive an error, which is mended on them."""
    from cli import dotenv
    from platforms.local import control

    dotenv.write(settings)
    control.adopt(settings)
    if code := control.run(settings, "cli.bootstrap", *settling):
        if not stays:
            sys.exit(code)
        click.echo("the services run on: Ctrl-C stops them", err=True)
        return
    click.echo(f"ready: Prefect at {settings.prefect_url}, `ridgeline status` shows the rest")


@click.command()
def down() -> None:
    """Stop everything that was started in this clone, with all flow runs and training jobs in progress.

    With `RIDGELINE_STATE` in the environment, stop what runs in that state folder only.
    """
    from platforms.local import control

    ended = [state for state in _states() if control.stop(state)]
    click.echo("\n".join(f"stopped {state}" for state in ended) or "nothing was running")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def status(as_json: bool) -> None:
    """Show the services and endpoints of the state folder that `.env` or the environment names."""
    from platforms.local import overview
    from platforms.settings import Settings

    with plain_errors():
        content = overview.describe(Settings())
    click.echo(json.dumps(content, indent=2) if as_json else overview.table(content))


def adopt_running() -> None:
    """Make this process a client of the services that run; raises `PlatformError` if there are none."""
    from platforms.errors import PlatformError
    from platforms.local import control
    from platforms.settings import Settings

    settings = Settings()
    if not control.running(settings.state_dir):
        raise PlatformError(f"nothing runs in {settings.state_dir}: start it by `ridgeline up`")
    control.adopt(settings)


def adopt_configured() -> Settings:
    """Make this process a client, with its password, of the server that the settings name, whether it runs or not."""
    from platforms.local import control
    from platforms.settings import Settings

    settings = Settings()
    # Prefect makes its home in it.
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    control.adopt(settings)
    return settings


def _settings() -> Settings:
    """The settings of `up`: `.env` only says what ran last, so its state folder does not count."""
    from platforms.settings import Settings

    return Settings(state=Path(os.environ.get("RIDGELINE_STATE") or Settings.model_fields["state"].default))


def _states() -> list[Path]:
    """The state folder that the environment names, else every one that something of this clone may be running in."""
    from platforms.settings import ROOT, Settings

    if os.environ.get("RIDGELINE_STATE"):
        return [Settings().state_dir]
    below = {file.parent.resolve() for file in (ROOT / ".ridgeline").glob("*/supervisor.lock")}
    return sorted(below | {Settings().state_dir})


@contextmanager
def plain_errors() -> Iterator[None]:
    """Show a `PlatformError` as one message and exit code 1."""
    from platforms.errors import PlatformError

    try:
        yield
    except PlatformError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _stopped_by_interrupt(settings: Settings) -> Iterator[None]:
    from platforms.local import control

    try:
        yield
    except KeyboardInterrupt:
        click.echo("stopping")
        control.stop(settings.state_dir)
        raise


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the command in the way that Ctrl-C does."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
