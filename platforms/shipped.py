"""The part of the request log that is in storage. `log_shipper.layout` and `log_shipper.records` describe it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, get_args

import msgspec

from log_shipper import layout
from platforms.protocols import Environment, PlatformError, ScoredRequest, Storage

if TYPE_CHECKING:
    import pyarrow as pa

MANY_DAYS: Final = 31
"""From how many days on one listing of everything is less work than one for each day."""
BATCH_ROWS: Final = 2_000


class ShippedLog:
    """Reads shipped records; where all records are shipped, this is the traffic port."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def read(
        self, recipe: str, since: datetime, until: datetime, *, without: Collection[str] = ()
    ) -> Iterator[ScoredRequest]:
        """The requests in `[since, until)` of every segment but those named in `without`; each segment in its order.

        Raises:
            PlatformError: A file is no log; the message names it.
        """
        for path in self._paths(recipe, since, until):
            if layout.segment_of(path) not in without:
                yield from self._requests(path, since, until)

    def _paths(self, recipe: str, since: datetime, until: datetime) -> Iterator[str]:
        first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
        if (last - first).days < MANY_DAYS:
            days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
            folders = [layout.folder(recipe, name, day) for name in get_args(Environment) for day in days]
        else:
            folders = [f"{layout.AREA}/{recipe}/"]
        for folder in folders:
            for blob in self._storage.list(folder):
                day = layout.day_of(blob.path)
                if day is not None and first <= day <= last:
                    yield blob.path

    def _requests(self, path: str, since: datetime, until: datetime) -> Iterator[ScoredRequest]:
        import pyarrow as pa

        try:
            for batch in self._batches(path, since, until):
                yield from _rows(batch)
        except (pa.ArrowException, msgspec.MsgspecError) as error:
            raise PlatformError(f"blob {path} is no request log: {error}; move it away") from error

    def _batches(self, path: str, since: datetime, until: datetime) -> Iterator[pa.RecordBatch]:
        """Whole row groups outside of the interval are skipped; at most one is in memory."""
        import pyarrow.dataset as ds

        time = ds.field("time")
        with self._storage.open(path) as file:
            fragment = ds.ParquetFileFormat().make_fragment(file)
            scanner = fragment.scanner(
                filter=(time >= since) & (time < until),
                batch_size=BATCH_ROWS,
                batch_readahead=1,
                use_threads=False,
            )
            yield from scanner.to_batches()


def _rows(batch: pa.RecordBatch) -> Iterator[ScoredRequest]:
    for row in batch.to_pylist():
        yield msgspec.convert({**row, "inputs": msgspec.json.decode(row["inputs"])}, ScoredRequest)
