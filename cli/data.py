"""`ridgeline data`: a recipe's table and every batch that arrived for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from cli import recipe_name

if TYPE_CHECKING:
    from platforms.values import Blob

Document = Mapping[str, object]

FIELDS: Final = ("path", "state", "rows", "reason")
"""What the document tells of a batch."""


@click.command()
@click.argument("recipe")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def data(recipe: str, as_json: bool) -> None:
    """The dataset version of RECIPE, and its batches: accepted, quarantined, duplicate or pending."""
    from cli.services import plain_errors

    with plain_errors():
        table, batches = _table(recipe_name.known(recipe)), _batches(recipe)
    if as_json:
        told = [{field: batch[field] for field in FIELDS} for batch in batches]
        click.echo(json.dumps({**table, "batches": told}, indent=2))
        return
    click.echo(
        f"dataset version {table['dataset_version']}, {table['rows']} rows, fingerprint {table['fingerprint']}"
    )
    for batch in batches:
        where = batch["filed"] if batch["state"] == "quarantined" else batch["path"]
        click.echo(f"{batch['state']:12} {batch['rows'] or '-':>8} rows  {where}  {batch['reason']}".rstrip())


def _table(recipe: str) -> Document:
    from platforms.errors import NotFoundError
    from platforms.selection import current

    try:
        version = current().datasets.version(recipe)
    except NotFoundError:
        return {"dataset_version": None, "rows": 0, "fingerprint": None}
    return {"dataset_version": version.version, "rows": version.rows, "fingerprint": version.fingerprint}


def _batches(recipe: str) -> list[Document]:
    """Those that are filed, then those that wait; one that is filed at this very moment is found there."""
    from platforms.selection import current
    from tasks.areas import LANDING, filed_batches

    waiting, filed = current().storage.list(f"{LANDING}/{recipe}/"), filed_batches(recipe)
    arrived = {(report["path"], report["etag"]) for report in filed}
    return [*_filed(filed), *_pending(blob for blob in waiting if (blob.path, blob.etag) not in arrived)]


def _filed(reports: Iterable[Mapping[str, Any]]) -> list[Document]:
    return [{**report, "state": report["state"].lower()} for report in reports]


def _pending(waiting: Iterable[Blob]) -> list[Document]:
    from tasks.areas import is_text

    return [
        {
            "path": blob.path.encode(errors="backslashreplace").decode(),
            "state": "pending",
            "rows": None,
            "reason": "" if is_text(blob.path) else "its name is no UTF-8: rename it",
        }
        for blob in waiting
    ]
