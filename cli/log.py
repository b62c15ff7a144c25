"""`ridgeline log`: the request log of a recipe as one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from cli import recipe_name

if TYPE_CHECKING:
    from log_shipper.lines import Record
    from platforms.values import ScoredRequest


def _instant(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    """A date or a time in ISO 8601; without an offset it is UTC."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no time: write 2026-01-31, or 2026-01-31T12:30:00+01:00"
        raise click.BadParameter(message) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


@click.command()
@click.argument("recipe")
@click.option("--from", "since", metavar="TIME", callback=_instant, help="Only requests at this time or later.")
@click.option("--to", "until", metavar="TIME", callback=_instant, help="Only requests before this time.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
def log(recipe: str, since: datetime | None, until: datetime | None, out: Path) -> None:
    """Write the request log of RECIPE, shipped or not, to a Parquet file with one row for each request.

    Times are in ISO 8601; without an offset they are UTC.
    """
    from cli.services import plain_errors
    from platforms.local import files
    from tasks.feedback import EARLIEST, LATEST, logged_requests

    since, until = since or EARLIEST, until or LATEST
    if since >= until:
        raise click.UsageError(f"--from {since.isoformat()} is not before --to {until.isoformat()}")
    recipe_name.known(recipe)
    rows = 0

    def fill(file: BinaryIO) -> None:
        nonlocal rows
        rows = write(file, logged_requests(recipe, since, until))

    with plain_errors():
        try:
            files.write(out, fill)
        except OSError as error:
            raise click.ClickException(f"{out} cannot be written: {error}") from error
    click.echo(f"wrote {rows:,} requests to {out}")


def write(file: BinaryIO, requests: Iterable[ScoredRequest]) -> int:
    """Write the table of these requests, holding few of them at a time; returns how many there were."""
    from log_shipper.records import table, writer

    rows = 0
    with writer(file) as target:
        for batch in _batches(requests):
            target.write_batch(table(batch))
            rows += len(batch)
    return rows


def _batches(requests: Iterable[ScoredRequest]) -> Iterator[list[Record]]:
    from log_shipper.records import BATCH_BYTES, BATCH_RECORDS

    batch: list[Record] = []
    size = 0
    for record in map(_record, requests):
        batch.append(record)
        size += len(bytes(record.inputs))
        if size >= BATCH_BYTES or len(batch) >= BATCH_RECORDS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _record(request: ScoredRequest) -> Record:
    import msgspec

    from log_shipper.lines import Record

    fields = {name: getattr(request, name) for name in Record.__struct_fields__}
    return Record(**fields | {"inputs": msgspec.Raw(msgspec.json.encode(request.inputs))})
