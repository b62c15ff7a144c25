from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pytest

from recipes.columns import keepable, read_numbers

LARGE = 2**53 + 1
"""The first integer that is no float."""


@pytest.mark.parametrize("other", ["12", "12.0", " 12", "-3."])
def test_an_integer_of_a_csv_does_not_depend_on_how_its_neighbour_is_spelt(other: str) -> None:
    read = read_numbers(pa.array([str(LARGE), other, f"{LARGE}.0", "NA"]), np.dtype("int64"), spelt=True)
    assert read.column.to_pylist() == [LARGE, int(float(other)), LARGE, None]
    assert read.unreadable.tolist() == [False] * 4


@pytest.mark.parametrize("other", ["1e3", "many", "5.5"])
def test_an_integer_that_would_become_another_one_is_refused(other: str) -> None:
    read = read_numbers(pa.array([str(LARGE), other]), np.dtype("int64"), spelt=True)
    assert read.unreadable.tolist() == [True, other != "1e3"]


@pytest.mark.parametrize("value", [float(LARGE), -float(LARGE), float(2**63), np.inf])
@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_a_float_that_may_stand_for_another_integer_is_none(value: float, dtype: str) -> None:
    read = read_numbers(pa.array([value, 7.0, None]), np.dtype(dtype), spelt=False)
    assert read.unreadable.tolist() == [True, False, False]
    assert read.column.to_pylist() == [0, 7, None]


@pytest.mark.parametrize(
    ("dtype", "kept"), [("uint8", "int16"), ("uint16", "int32"), ("uint32", "int64"), ("uint64", "int64")]
)
def test_an_unsigned_integer_is_kept_whole(dtype: str, kept: str) -> None:
    """Delta would make a byte of it, and 200 is none."""
    most = min(np.iinfo(dtype).max, np.iinfo("int64").max)
    read = read_numbers(pa.array([most, None], pa.from_numpy_dtype(dtype)), np.dtype(dtype), spelt=False)
    column = keepable(read.column)
    assert column is not None
    assert (str(column.type), column.to_pylist()) == (kept, [most, None])
    assert not read.unreadable.any()


def test_an_integer_beyond_those_of_a_table_is_none() -> None:
    read = read_numbers(pa.array([2**63, 7], pa.uint64()), np.dtype("uint64"), spelt=False)
    assert read.unreadable.tolist() == [True, False]


def test_a_time_of_any_zone_is_kept_in_utc() -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    kept = keepable(pa.array([moment], pa.timestamp("us", "Europe/Berlin")))
    assert kept is not None
    assert (kept.type, kept.to_pylist()) == (pa.timestamp("us", "UTC"), [moment])


@pytest.mark.parametrize(
    "column",
    [
        pa.array([time(12)], pa.time64("us")),
        pa.array([timedelta(1)], pa.duration("us")),
        pa.array([b"x"]),
        pa.array([[1]]),
        pa.array([2**64 - 1], pa.uint64()),
    ],
    ids=lambda column: str(column.type),
)
def test_what_no_table_can_keep_is_told(column: pa.Array) -> None:
    assert keepable(column) is None
