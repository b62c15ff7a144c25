"""Checks of a batch before any of its rows reaches the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect import task

from platforms.protocols import Blob
from platforms.selection import current
from recipes.batches import BatchError, Finding

if TYPE_CHECKING:
    import pyarrow as pa


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
            frame = batches.read_batch(stream, blob.path, what)
    except BatchError as error:
        return Checked(None, (Finding(None, (), 0, str(error)),))
    findings = batches.validate(what, frame)
    if findings:
        return Checked(None, tuple(findings))
    return Checked(pa.Table.from_pandas(frame, preserve_index=False), ())
