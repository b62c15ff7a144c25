from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.recipes import examples
from tests.training import tables
from training import table
from training.errors import TrainingError

RECIPE = examples.recipe()


def test_rows_come_in_the_order_of_arrival_and_of_the_pinned_version_only(tmp_path: Path) -> None:
    first, second = examples.rows(5), examples.rows(9).tail(4)
    uri = tables.write(tmp_path / "t", first, second)
    pd.testing.assert_frame_equal(table.read(RECIPE, uri, 0), first)
    both = pd.concat([first, second], ignore_index=True)
    pd.testing.assert_frame_equal(table.read(RECIPE, uri, 1), both)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    uri = tables.write(tmp_path / "t", examples.rows(5))
    with pytest.raises(TrainingError, match=f"version 3 of the table at {uri} cannot be read"):
        table.read(RECIPE, uri, 3)
    with pytest.raises(TrainingError, match=r"version 0 of the table at .*none cannot be read"):
        table.read(RECIPE, str(tmp_path / "none"), 0)
    other = tables.write(tmp_path / "o", examples.rows(5).drop(columns="b"))
    with pytest.raises(TrainingError, match=r"lacks \['b'\]: it was written for another schema"):
        table.read(RECIPE, other, 0)
