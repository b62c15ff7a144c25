"""Batches: rows that arrive as one file, and what may be wrong with them.

A file that cannot be read as a table is a `BatchError`. A table that can be read but breaks the recipe's schema has
findings, each naming column, rows and rule. A frame without findings gets the schema's shape from `conform`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandera.errors import SchemaErrors

from recipes.recipe import Recipe

if TYPE_CHECKING:
    from recipes.recipe import Array

    Rows = dict[str, set[int]]

SHOWN_ROWS: Final = 10


class BatchError(Exception):
    """A file is no readable table; the message names the file and the reason."""


@dataclass(frozen=True)
class Finding:
    """A rule that a batch breaks. Rows count from 1 (the first line of data); at most ten are listed."""

    column: str | None
    rows: tuple[int, ...]
    count: int
    rule: str

    def __str__(self) -> str:
        column = f"column {self.column!r}: " if self.column else ""
        more = ", …" if self.count > len(self.rows) else ""
        rows = f" (rows {', '.join(map(str, self.rows))}{more}; {self.count} in all)" if self.rows else ""
        return f"{column}{self.rule}{rows}"


def read_batch(source: BinaryIO | Path, name: str) -> pd.DataFrame:
    """Read a `.csv` or `.parquet` file as it stands; `name` tells the format and stands in messages.

    Raises:
        BatchError: The file is empty, damaged, ragged, not UTF-8, without rows, or not what its name says.
    """
    readers: dict[str, Callable[[bytes, str], pa.Table]] = {".csv": _read_csv, ".parquet": _read_parquet}
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in readers:
        raise BatchError(f"{name}: files that end in {suffix or 'nothing'} are not read; use .csv or .parquet")
    content = source.read_bytes() if isinstance(source, Path) else source.read()
    if not content:
        raise BatchError(f"{name}: the file is empty")
    table = readers[suffix](content, name)
    repeated = sorted({column for column in table.column_names if table.column_names.count(column) > 1})
    if repeated:
        raise BatchError(f"{name}: column names occur more than once: {', '.join(repeated)}")
    if table.num_rows == 0:
        raise BatchError(f"{name}: the file has columns but zero rows")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def validate(recipe: Recipe, frame: pd.DataFrame) -> list[Finding]:
    """Everything in `frame` that breaks the recipe's schema; the order of columns is free."""
    columns = _column_findings(recipe, frame)
    if columns:
        return columns
    bad = {name: _unreadable(recipe, name, frame[name]) for name in recipe.columns}
    types = [
        _finding(name, rows, f"is not of type {recipe.schema.columns[name].dtype}")
        for name, rows in bad.items()
        if rows
    ]
    try:
        recipe.schema.validate(_coerced(recipe, frame), lazy=True)
    except SchemaErrors as error:
        return types + _schema_findings(error, bad)
    return types


def conform(recipe: Recipe, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the schema's columns in its order and of its types; call it on frames without findings."""
    return _coerced(recipe, frame)


def _read_csv(content: bytes, name: str) -> pa.Table:
    from pyarrow import csv

    if content.startswith((b"PAR1", b"PK\x03\x04", b"\x1f\x8b")):
        raise BatchError(f"{name}: this is a binary file, not the CSV that its name says")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BatchError(f"{name}: line {line} is not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    try:
        return csv.read_csv(pa.BufferReader(content), read_options=csv.ReadOptions(use_threads=False))
    except pa.ArrowInvalid as error:
        raise BatchError(
            f"{name}: {str(error).removeprefix('CSV parse error: ').replace('Row #', 'line ')}"
        ) from None


def _read_parquet(content: bytes, name: str) -> pa.Table:
    from pyarrow import parquet

    if not content.startswith(b"PAR1"):
        raise BatchError(f"{name}: this is not the Parquet file that its name says")
    if not content.endswith(b"PAR1"):
        raise BatchError(f"{name}: the Parquet file is truncated ({len(content)} bytes, its footer is missing)")
    try:
        # Threads and read-ahead are off: with them a damaged file can abort the process at its exit (seen with 25.0).
        table = parquet.ParquetFile(pa.BufferReader(content), pre_buffer=False).read(use_threads=False)
        table.validate(full=True)
        # What pandas noted about the frame may be damaged too, and an index is no column of ours.
        index = [name for name in table.column_names if name.startswith("__index_level_")]
        return table.drop_columns(index).replace_schema_metadata(None)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BatchError(f"{name}: the Parquet file is damaged: {' '.join(str(error).split())}") from None


def _column_findings(recipe: Recipe, frame: pd.DataFrame) -> list[Finding]:
    missing = [Finding(name, (), 0, "is missing") for name in recipe.columns if name not in frame.columns]
    known = set(recipe.columns)
    extra = [Finding(str(name), (), 0, "is not in the schema") for name in frame.columns if name not in known]
    return missing + extra


def _dtype(recipe: Recipe, name: str) -> np.dtype[Any] | None:
    """The numpy type of a numeric column, or None for any other type."""
    dtype = str(recipe.schema.columns[name].dtype)
    return np.dtype(dtype) if dtype.rstrip("0123456789") in ("float", "int", "uint") else None


def _unreadable(recipe: Recipe, name: str, column: pd.Series) -> set[int]:
    """The row positions whose values are there but cannot become the schema's numeric type."""
    dtype = _dtype(recipe, name)
    if dtype is None:
        return set()
    present = column.notna().to_numpy()
    values = _numbers(column)
    bad = present & (np.isnan(values) | (np.mod(values, 1) != 0 if dtype.kind != "f" else False))
    if _is_text(column) and not bad.any():
        bad = present
    return _positions(bad)


def _is_text(column: pd.Series) -> bool:
    # CSV readers make numbers of a column that holds only numbers, so one that is text came as text.
    return pd.api.types.is_string_dtype(column) and not pd.api.types.is_numeric_dtype(column)


def _numbers(column: pd.Series) -> Array:
    """Every value as float64; NaN where it is missing or no number."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return np.full(len(column), np.nan)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)


def _coerced(recipe: Recipe, frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: _coerced_column(recipe, name, frame[name]) for name in recipe.columns})


def _coerced_column(recipe: Recipe, name: str, column: pd.Series) -> pd.Series:
    dtype = _dtype(recipe, name)
    if dtype is None:
        return column.reset_index(drop=True)
    values = _numbers(column)
    exact = dtype.kind == "f" or bool(np.isfinite(values).all() and (np.mod(values, 1) == 0).all())
    return pd.Series(values.astype(dtype) if exact else values)


def _positions(mask: npt.NDArray[np.bool_]) -> set[int]:
    return set(map(int, mask.nonzero()[0]))


def _finding(column: str | None, positions: set[int], rule: str) -> Finding:
    rows = tuple(position + 1 for position in sorted(positions)[:SHOWN_ROWS])
    return Finding(column, rows, len(positions), rule)


def _schema_findings(error: SchemaErrors, bad: Rows) -> list[Finding]:
    findings = []
    for (column, rule), cases in error.failure_cases.groupby(["column", "check"], dropna=False, sort=False):
        name = None if pd.isna(column) else str(column)
        rows = {int(index) for index in cases["index"].dropna()} - bad.get(str(name), set())
        if rows or cases["index"].isna().all():
            findings.append(_finding(name, rows, _rule(str(rule))))
    return findings


def _rule(check: str) -> str:
    return {"not_nullable": "must not be empty"}.get(check, f"breaks {check}")
