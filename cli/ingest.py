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
    it was quarantined, and 1 if a flow failed.
    """
    from cli.services import adopt_running, plain_errors
    from tasks.landing import land

    recipe_name.known(recipe)
    if not file.is_file():
        raise click.ClickException(f"there is no file {file}")
    with plain_errors():
        if wait:
            adopt_running()
        blob = land(file, recipe)
        stages: list[Stage] = []
        if wait:
            from cli.chain import Follower

            stages = Follower(recipe, lambda line: click.echo(line, err=as_json), WAIT).batch(blob)
    if as_json:
        click.echo(json.dumps(_document(recipe, blob, stages), indent=2))
    elif not wait:
        click.echo(f"landed {blob.path}")
    if _state(stages) == "quarantined":
        sys.exit(QUARANTINED)


def _document(recipe: str, blob: Blob, stages: list[Stage]) -> dict[str, object]:
    return {
        "recipe": recipe,
        "path": blob.path,
        "state": _state(stages),
        "stages": [asdict(stage) for stage in stages],
    }


def _state(stages: list[Stage]) -> str:
    """The batch's state as `ridgeline data` names it."""
    return stages[0].outcome.lower() if stages else "pending"
