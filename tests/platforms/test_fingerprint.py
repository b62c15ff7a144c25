from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.errors import PlatformError
from platforms.fingerprint import Fingerprint

ROWS = st.lists(st.tuples(st.floats(width=64) | st.none(), st.integers(-9, 9) | st.none(), st.text() | st.none()))
Row = tuple[float | None, int | None, str | None]
SCHEMA = pa.schema({"f": pa.float64(), "i": pa.int64(), "t": pa.string()})


def of(rows: list[Row]) -> Fingerprint:
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    return Fingerprint.of(pa.record_batch(arrays, schema=SCHEMA))


@settings(deadline=None)  # the first example imports pandas
@given(ROWS, st.randoms())
def test_the_order_of_rows_does_not_count(rows: list[Row], random: np.random.Generator) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert of(shuffled) == of(rows)


@given(ROWS, ROWS)
def test_parts_add_up_to_the_whole(first: list[Row], second: list[Row]) -> None:
    assert of(first) + of(second) == of(first + second)


@given(ROWS.filter(bool))
def test_a_repeated_row_counts(rows: list[Row]) -> None:
    assert of([*rows, rows[0]]) != of(rows)
    assert str(of([*rows, rows[0]])) != str(of(rows))


def test_every_change_of_a_value_shows() -> None:
    base: Row = (1.0, 1, "a")
    others: list[Row] = [(2.0, 1, "a"), (None, 1, "a"), (1.0, None, "a"), (1.0, 0, "a"), (1.0, 1, None), (1.0, 1, "")]
    assert len({str(of([row])) for row in [base, *others]}) == 7


def test_columns_are_known_by_name_and_arrival_does_not_count() -> None:
    def fingerprint(**columns: list[float]) -> str:
        return str(Fingerprint.of(pa.record_batch({name: pa.array(values) for name, values in columns.items()})))

    assert fingerprint(a=[1.0], b=[2.0]) == fingerprint(b=[2.0], a=[1.0], _version=[3.0])
    assert fingerprint(a=[1.0], b=[2.0]) != fingerprint(a=[2.0], b=[1.0])
    assert fingerprint(a=[0.0]) == fingerprint(a=[-0.0])


def test_swapped_cells_of_two_rows_show() -> None:
    assert of([(1.0, 1, "a"), (2.0, 2, "b")]) != of([(1.0, 2, "a"), (2.0, 1, "b")])


def test_other_types_count_or_are_refused() -> None:
    day = date(2026, 1, 1)
    time = pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    found = {
        str(Fingerprint.of(pa.record_batch({"x": column})))
        for column in (time, pa.array([True]), pa.array([7], pa.uint64()), pa.array([day]), pa.nulls(1))
    }
    assert len(found) == 5
    with pytest.raises(PlatformError, match=r"column 'x' has type list<.*"):
        Fingerprint.of(pa.record_batch({"x": [[1]]}))


def test_the_printed_form_is_32_hex_digits() -> None:
    assert str(Fingerprint(1, 1, 255)) == "0" * 15 + "1" + "0" * 14 + "ff"
