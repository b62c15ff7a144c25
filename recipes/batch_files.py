"""Batches as files: CSV or Parquet, read chunk by chunk, so that the memory does not grow with the file.

Numbers and texts of a CSV come as text: what they mean is the schema's business (`recipes.columns`), and a value that
is no number can be named with its row. Cells that are empty or spell a missing value are null in either format.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from recipes.findings import BatchError

if TYPE_CHECKING:
    Chunks = Iterator[pa.RecordBatch]

CHUNK_ROWS: Final = 65_536
_BLOCK: Final = 1 << 20
_BINARY: Final = (b"PAR1", b"PK\x03\x04", b"\x1f\x8b")


@dataclass(frozen=True)
class BatchFile:
    """An opened batch: the names of its columns, and its rows as chunks that can be read once."""

    columns: tuple[str, ...]
    chunks: Chunks


def open_batch(path: Path, name: str, as_text: Collection[str]) -> BatchFile:
    """Open a `.csv` or `.parquet` file; `name` tells the format and stands in messages.

    The columns `as_text` of a CSV are read as they are spelt.

    Raises:
        BatchError: The file is empty, damaged, ragged, not UTF-8, without rows, or not what its name says. What is
            wrong further down in the file is raised when its chunk is read.
    """
    openers: dict[str, Callable[[Path, str, Collection[str]], BatchFile]] = {
        ".csv": _open_csv,
        ".parquet": _open_parquet,
    }
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in openers:
        raise BatchError(name, f"files that end in {suffix or 'nothing'} are not read; use .csv or .parquet")
    if path.stat().st_size == 0:
        raise BatchError(name, "the file is empty")
    opened = openers[suffix](path, name, as_text)
    repeated = sorted({column for column in opened.columns if opened.columns.count(column) > 1})
    if repeated:
        raise BatchError(name, f"column names occur more than once: {', '.join(repeated)}")
    return BatchFile(opened.columns, _not_empty(opened.chunks, name))


def _not_empty(chunks: Chunks, name: str) -> Chunks:
    rows = 0
    for chunk in chunks:
        rows += chunk.num_rows
        if chunk.num_rows:
            yield chunk
    if rows == 0:
        raise BatchError(name, "the file has columns but zero rows")


def _open_csv(path: Path, name: str, as_text: Collection[str]) -> BatchFile:
    from pyarrow import csv

    _check_text(path, name)
    try:
        reader = csv.open_csv(
            path,
            read_options=csv.ReadOptions(use_threads=False, block_size=4 * _BLOCK),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(as_text, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise _csv_error(name, error) from None
    return BatchFile(tuple(reader.schema.names), _csv_chunks(reader, name))


def _csv_chunks(reader: pa.RecordBatchReader, name: str) -> Chunks:
    try:
        for batch in reader:
            yield from (batch.slice(start, CHUNK_ROWS) for start in range(0, batch.num_rows, CHUNK_ROWS))
    except pa.ArrowInvalid as error:
        raise _csv_error(name, error) from None


def _csv_error(name: str, error: Exception) -> BatchError:
    return BatchError(name, str(error).removeprefix("CSV parse error: ").replace("Row #", "line "))


def _check_text(path: Path, name: str) -> None:
    decoder, lines, read = codecs.getincrementaldecoder("utf-8")(), 1, 0
    with path.open("rb") as file:
        while content := file.read(_BLOCK):
            if read == 0 and content.startswith(_BINARY):
                raise BatchError(name, "this is a binary file, not the CSV that its name says")
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(content, final=len(content) < _BLOCK)
            except UnicodeDecodeError as error:
                start = error.start - held
                line, byte = lines + content.count(b"\n", 0, max(start, 0)), read + start
                raise BatchError(name, f"line {line} is not UTF-8 (byte {byte}); save the file as UTF-8") from None
            lines += content.count(b"\n")
            read += len(content)


def _open_parquet(path: Path, name: str, as_text: Collection[str]) -> BatchFile:
    from pyarrow import parquet

    _check_frame(path, name)
    try:
        # Threads and read-ahead are off: with them a damaged file can abort the process at its exit (seen with 25.0).
        # The buffer lets a column of a large row group stream.
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BLOCK)
        columns = tuple(column for column in file.schema_arrow.names if not column.startswith("__index_level_"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _parquet_error(name, error) from None
    return BatchFile(columns, _parquet_chunks(file, columns, name))


def _check_frame(path: Path, name: str) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            raise BatchError(name, "this is not the Parquet file that its name says")
        file.seek(-min(size, 4), 2)
        if size < 12 or file.read(4) != b"PAR1":
            raise BatchError(name, f"the Parquet file is truncated ({size} bytes, its footer is missing)")


def _parquet_chunks(file: pa.parquet.ParquetFile, columns: tuple[str, ...], name: str) -> Chunks:
    try:
        for batch in file.iter_batches(CHUNK_ROWS, columns=list(columns), use_threads=False):
            batch.validate(full=True)
            yield batch
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _parquet_error(name, error) from None


def _parquet_error(name: str, error: Exception) -> BatchError:
    return BatchError(name, f"the Parquet file is damaged: {' '.join(str(error).split())}")
