"""Checks of a batch before any of its rows reaches the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect import task

from platforms.protocols import Blob
from platforms.selection import current

if TYPE_CHECKING:
    import pyarrow as pa

    from recipes.batches import Finding


@dataclass(frozen=True)
class Checked:
    """A batch that was read and checked. `rows` is None exactly when there are findings."""

    rows: pa.Table | None
    findings: tuple[Finding, ...]


@task
def check_batch(recipe: str, blob: Blob) -> Checked:
    """Read a landed CSV or Parquet file and hold every row against the recipe's schema."""
    import pyarrow as pa

    from recipes import batches, catalog

    what = catalog.load(recipe)
    try:
        with current().storage.open(blob.path) as stream:
            frame = batches.read_batch(stream, blob.path)
    except batches.BatchError as error:
        return Checked(None, (batches.Finding(None, (), 0, str(error)),))
    if findings := batches.validate(what, frame):
        return Checked(None, tuple(findings))
    return Checked(pa.Table.from_pandas(batches.conform(what, frame), preserve_index=False), ())
