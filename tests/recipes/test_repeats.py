from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from recipes.repeats import Repeats


@given(st.lists(st.lists(st.integers(0, 5))))
def test_rows_that_repeat_an_earlier_one_are_those_of_pandas(parts: list[list[int]]) -> None:
    repeats = Repeats()
    for part in parts:
        repeats.add(np.array(part, dtype="u8"))
    expected = pd.Series([value for part in parts for value in part], dtype="u8").duplicated()
    assert repeats.mask().tolist() == expected.tolist()
    assert repeats.count() == expected.sum()
