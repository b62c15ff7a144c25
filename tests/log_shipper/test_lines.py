from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_shipper import lines
from scoring_service.request_log import LogRecord, PackedRows
from tests.log_shipper.made import record

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def read(packed: PackedRows) -> list[dict[str, float]]:
    logged = record("a")
    logged.inputs = packed
    found: list[dict[str, float]] = json.loads(bytes(lines.read(msgspec.json.encode(logged)).inputs))
    return found


def test_the_reader_knows_what_the_service_writes() -> None:
    """Neither may import the other, so each describes the format by itself."""
    assert lines._Packed.__struct_fields__ == PackedRows.__struct_fields__
    assert lines.Record.__struct_fields__ == LogRecord.__struct_fields__


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5))
def test_packed_numbers_keep_every_bit(rows: list[tuple[float, float]]) -> None:
    found = read(PackedRows(len(rows), ["a", "b"], np.array(rows, "<f8").tobytes()))
    assert [tuple(map(float.hex, row.values())) for row in found] == [tuple(map(float.hex, row)) for row in rows]


def test_packed_numbers_may_be_missing() -> None:
    assert read(PackedRows(1, ["a", "b"], np.array([np.nan, 1.5], "<f8").tobytes())) == [{"a": None, "b": 1.5}]


def test_rows_without_columns_are_counted() -> None:
    assert read(PackedRows(3, [], b"")) == [{}, {}, {}]


def test_bytes_that_are_not_the_rows_are_told() -> None:
    with pytest.raises(msgspec.DecodeError, match="2 rows of 1 numbers are packed in 15 bytes"):
        read(PackedRows(2, ["a"], bytes(15)))
