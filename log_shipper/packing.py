"""A segment as Parquet files, one for each day, written to unnamed temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO

from log_shipper import layout
from log_shipper.lines import Record
from log_shipper.records import batches, table, writer


@dataclass(frozen=True)
class Parcel:
    """One file that is ready to be stored at `path`."""

    path: str
    file: IO[bytes]
    rows: int

    @property
    def source(self) -> Path:
        """A name for the file, valid in this process; nothing is left of it when the process is killed."""
        return Path(f"/proc/self/fd/{self.file.fileno()}")

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.source.stat().st_size


@contextmanager
def packed(segment: Path) -> Iterator[list[Parcel]]:
    """The parcels of a segment, none if nothing in it was acknowledged; raises `UnreadableError`, `OSError`.

    Memory is bounded by one batch of records, whatever the segment's size.
    """
    with ExitStack() as files:
        boxes: dict[str, _Box] = {}
        for batch in batches(segment):
            for path, records in groupby(batch, lambda record: _path(record, segment.stem)):
                if path not in boxes:
                    boxes[path] = _Box(files.enter_context(tempfile.TemporaryFile()))
                boxes[path].add(list(records))
        yield [Parcel(path, box.close(), box.rows) for path, box in boxes.items()]


class _Box:
    """A Parquet file that is being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.rows = 0
        self._file = file
        self._writer = writer(file)

    def add(self, records: list[Record]) -> None:
        self._writer.write_batch(table(records))
        self.rows += len(records)

    def close(self) -> IO[bytes]:
        self._writer.close()
        self._file.flush()
        return self._file


def _path(record: Record, segment: str) -> str:
    return layout.path(record.model, record.environment, record.time.date(), segment)
