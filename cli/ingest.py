"""`ridgeline ingest`: land a file, and follow what it causes."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli import recipe_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.chain import Stage
    from platforms.values import Blob

WAIT: Final = 900.0
"""Seconds that `--wait` follows a batch."""
QUARANTINED: Final = 2
"""Exit code of a batch that was refused."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--recipe", required=True, help="Whose data it is.")
@click.option("--wait", is_flag=True, help="Follow the batch until everything that it causes has ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, progress on stderr.")
def ingest(file: Path, recipe: str, wait: bool, as_json: bool) -> None:
    """Land FILE, a CSV or Parquet batch of rows, for a recipe.

    With --wait the exit code is 0 if the batch was accepted or had been before, whatever became of the model, 2 if
    it was quarantined, and 1 if a flow failed; the document of --json then has an `error`.
    """
    from cli.services import plain_errors
    from platforms.errors import PlatformError

    blob: Blob | None = None
    stages: list[Stage] = []
    error = ""
    with plain_errors():
        try:
            blob = _land(file, recipe, wait)
            if wait:
                _follow(recipe, blob, stages, lambda line: click.echo(line, err=as_json))
        except (PlatformError, click.ClickException) as failure:
            if not as_json:
                raise
            error = str(failure)
    if as_json:
        click.echo(json.dumps(_document(recipe, blob, stages, error), indent=2))
    elif blob and not wait:
        click.echo(f"landed {blob.path}")
    if error:
        sys.exit(1)
    if _state(stages) == "quarantined":
        sys.exit(QUARANTINED)


def _land(file: Path, recipe: str, wait: bool) -> Blob:
    """Land the file; if somebody is to follow it, only where there are services that will take it."""
    from cli.services import adopt_running
    from tasks.landing import land

    recipe_name.known(recipe)
    if not file.is_file():
        raise click.ClickException(f"there is no file {file}")
    if wait:
        adopt_running()
    try:
        return land(file, recipe)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be landed: {error}") from error


def _follow(recipe: str, blob: Blob, stages: list[Stage], report: Callable[[str], None]) -> None:
    """Add each stage as it ends, so that those before an error are known too."""
    from cli.chain import Follower

    follower = Follower(recipe, report, WAIT)
    try:
        follower.batch(blob)
    finally:
        stages += follower.stages


def _document(recipe: str, blob: Blob | None, stages: list[Stage], error: str) -> dict[str, object]:
    return {
        "recipe": recipe,
        "path": blob.path if blob else None,
        "state": _state(stages),
        "stages": [asdict(stage) for stage in stages],
        **({"error": error} if error else {}),
    }


def _state(stages: list[Stage]) -> str:
    """The batch's state as `ridgeline data` names it."""
    return stages[0].outcome.lower() if stages else "pending"
