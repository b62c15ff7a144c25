"""The part of the request log that is in storage. `log_shipper.layout` and `log_shipper.records` describe it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Final, get_args

import msgspec

from log_shipper import layout
from platforms.errors import PlatformError
from platforms.protocols import Storage
from platforms.values import Environment, ScoredRequest

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

MANY_DAYS: Final = 31
"""Up to how many days are listed one by one; beyond, one listing of everything is less work."""
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
        count = (last - first).days + 1
        days = [first + timedelta(days=number) for number in range(count)] if count <= MANY_DAYS else [None]
        for environment, day in product(get_args(Environment), days):
            for blob in self._storage.list(layout.folder(recipe, environment, day)):
                found = layout.day_of(blob.path)
                if found is not None and first <= found <= last:
                    yield blob.path

    def _requests(self, path: str, since: datetime, until: datetime) -> Iterator[ScoredRequest]:
        import pyarrow as pa

        try:
            for batch in self._batches(path, since, until):
                yield from _rows(batch)
        except (pa.ArrowException, msgspec.MsgspecError) as error:
            raise PlatformError(f"blob {path} is no request log: {error}; move it away") from error

    def _batches(self, path: str, since: datetime, until: datetime) -> Iterator[pa.RecordBatch]:
        """One row group at a time; those that are outside of the interval are not read."""
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import parquet

        from log_shipper.records import SCHEMA

        time = pc.field("time")
        with self._storage.open(path) as opened:
            # What a row group needs is read at once, which counts where each read is a request.
            file = parquet.ParquetFile(opened, pre_buffer=True)
            if not file.schema_arrow.equals(SCHEMA):
                raise pa.ArrowInvalid(f"its columns are {file.schema_arrow.names}")
            column = SCHEMA.get_field_index("time")
            for group in range(file.num_row_groups):
                if _overlaps(file.metadata.row_group(group).column(column).statistics, since, until):
                    rows = file.read_row_group(group, use_threads=False)
                    yield from rows.filter((time >= since) & (time < until)).to_batches(BATCH_ROWS)


def _overlaps(times: parquet.Statistics | None, since: datetime, until: datetime) -> bool:
    """Whether a row group may have records of the interval."""
    return times is None or not times.has_min_max or (times.max >= since and times.min < until)


def _rows(batch: pa.RecordBatch) -> Iterator[ScoredRequest]:
    for row in batch.to_pylist():
        yield msgspec.convert({**row, "inputs": msgspec.json.decode(row["inputs"])}, ScoredRequest)
