"""`ridgeline data`: a recipe's table and every batch that arrived for it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from cli import recipe_name

Document = Mapping[str, object]


@click.command()
@click.argument("recipe")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def data(recipe: str, as_json: bool) -> None:
    """The dataset version of RECIPE, and its batches: accepted, quarantined, duplicate or pending."""
    from cli.services import plain_errors

    with plain_errors():
        table, batches = _table(recipe_name.known(recipe)), [*_filed(recipe), *_pending(recipe)]
    if as_json:
        click.echo(json.dumps({**table, "batches": batches}, indent=2))
        return
    click.echo(
        f"dataset version {table['dataset_version']}, {table['rows']} rows, fingerprint {table['fingerprint']}"
    )
    for batch in batches:
        click.echo(f"{batch['state']:12} {batch['rows'] or '-':>8} rows  {batch['path']}  {batch['reason']}".rstrip())


def _table(recipe: str) -> Document:
    from platforms.errors import NotFoundError
    from platforms.selection import current

    try:
        version = current().datasets.version(recipe)
    except NotFoundError:
        return {"dataset_version": None, "rows": 0, "fingerprint": None}
    return {"dataset_version": version.version, "rows": version.rows, "fingerprint": version.fingerprint}


def _filed(recipe: str) -> list[Document]:
    from tasks.data import filed_batches

    return [
        {"path": report["path"], "state": report["state"].lower(), "rows": report["rows"], "reason": report["reason"]}
        for report in filed_batches(recipe)
    ]


def _pending(recipe: str) -> list[Document]:
    from platforms.selection import current
    from tasks.data import LANDING, is_text

    waiting = current().storage.list(f"{LANDING}/{recipe}/")
    return [
        {
            "path": blob.path.encode(errors="backslashreplace").decode(),
            "state": "pending",
            "rows": None,
            "reason": "" if is_text(blob.path) else "its name is no UTF-8: rename it",
        }
        for blob in waiting
    ]
