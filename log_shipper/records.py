"""The request log as a table: one row per answered request, the same columns for every recipe and model version.

`inputs` is JSON text, a list with one object per row of the request: the text of the log itself, or that of the rows
which the log has packed. So numbers keep every bit, strings, integers and booleans stay what they were, and a model
version with other features changes no schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Final

import msgspec
import pyarrow as pa
from pyarrow import parquet

from log_shipper.lines import Record, read

SCHEMA: Final = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("environment", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("inputs", pa.string(), nullable=False),
        pa.field("outputs", pa.list_(pa.float64()), nullable=False),
        pa.field("latency", pa.float64(), nullable=False),
        pa.field("key_id", pa.string(), nullable=False),
    ]
)
REPEATED: Final = ["environment", "model", "version", "image", "key_id"]
"""Columns with few values; a dictionary of the others would only take memory."""
BATCH_BYTES: Final = 4 * 1024 * 1024
"""Lines that are held at once, unless a single one is longer; they become one row group."""
BATCH_RECORDS: Final = 20_000


class UnreadableError(Exception):
    """A segment has a line that is no record; the message names both."""


def batches(segment: Path) -> Iterator[list[Record]]:
    """The acknowledged records of a segment in their order, a bounded number at a time; raises `UnreadableError`."""
    with segment.open("rb") as lines:
        number = 0
        while chunk := _chunk(lines):
            try:
                yield [read(line) for line in chunk]
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                reason = f"{segment} cannot be shipped: a line after line {number} is no record: {error}"
                raise UnreadableError(reason) from None
            number += len(chunk)


def table(records: Sequence[Record]) -> pa.RecordBatch:
    """The rows of these records."""
    columns = [[getattr(record, name) for record in records] for name in SCHEMA.names]
    columns[SCHEMA.get_field_index("inputs")] = [str(record.inputs, "utf-8") for record in records]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def writer(file: IO[bytes]) -> parquet.ParquetWriter:
    """Writes tables of records to a file; each becomes a row group."""
    return parquet.ParquetWriter(file, SCHEMA, compression="zstd", compression_level=3, use_dictionary=REPEATED)


def _chunk(lines: BinaryIO) -> list[bytes]:
    """The next lines. Only the last line of a segment can lack its newline: it was never acknowledged."""
    chunk: list[bytes] = []
    size = 0
    while size < BATCH_BYTES and len(chunk) < BATCH_RECORDS:
        line = lines.readline()
        if not line.endswith(b"\n"):
            break
        chunk.append(line)
        size += len(line)
    return chunk
