"""`ridgeline history`: the journal of a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from cli import recipe_name
from platforms.values import Image, JournalEntry


@click.command()
@click.argument("recipe")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def history(recipe: str, as_json: bool) -> None:
    """Every decision about RECIPE: promotions, rejections, releases."""
    from platforms.errors import PlatformError
    from platforms.selection import current

    try:
        entries = current().journal.entries(recipe_name.known(recipe))
    except PlatformError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps([_plain(entry) for entry in entries], indent=2) if as_json else _table(entries))


def _plain(entry: JournalEntry) -> dict[str, object]:
    return {
        "sequence": entry.sequence,
        "time": entry.time.isoformat(),
        "recipe": entry.recipe,
        "environment": entry.environment,
        "model_version": entry.model_version,
        "action": entry.action,
        "reason": entry.reason,
        "flow_run": entry.flow_run,
        "image": entry.image and Image.parse(entry.image).name,
        "details": dict(entry.details),
        "previous": entry.previous,
        "hash": entry.hash,
    }


def _table(entries: Sequence[JournalEntry]) -> str:
    header = ("time", "environment", "version", "action", "reason", "flow run")
    rows = [
        (
            f"{entry.time:%Y-%m-%d %H:%M:%S}",
            entry.environment or "-",
            str(entry.model_version or "-"),
            entry.action,
            _line(entry.reason),
            entry.flow_run,
        )
        for entry in entries
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def _line(text: str) -> str:
    """One line of a table: an endpoint that failed brings its logs, which the document has whole."""
    first, more, _ = text.partition("\n")
    return f"{first} …" if more else first
