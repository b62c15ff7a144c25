from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from recipes.columns import read_numbers

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
