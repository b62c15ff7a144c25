from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pandera.pandas import Column, DataFrameSchema

from tests.recipes import examples
from tests.training import tables
from training import split, table
from training.errors import TrainingError

RECIPE = examples.recipe()


def test_rows_come_in_the_order_of_arrival_and_of_the_pinned_version_only(tmp_path: Path) -> None:
    first, second = examples.rows(5), examples.rows(9).tail(4)
    uri = tables.write(tmp_path / "t", first, second)
    pd.testing.assert_frame_equal(table.read(RECIPE, uri, 0), first)
    both = pd.concat([first, second], ignore_index=True)
    pd.testing.assert_frame_equal(table.read(RECIPE, uri, 1), both)


def test_a_missing_identifier_changes_no_other_one(tmp_path: Path) -> None:
    ids = [2**53 + 1, 2**60 + 1, 2**60 + 2, 7]
    schema = DataFrameSchema({"id": Column("int64", nullable=True), **examples.SCHEMA.columns})
    recipe = examples.recipe(schema=schema, identifiers=("id",), entity_key=("id",))
    first = examples.rows(4).assign(id=pd.array(ids, "Int64"))
    second = examples.rows(1).assign(id=pd.array([None], "Int64"))
    uri = tables.write(tmp_path / "t", first, second)
    before, after = table.read(recipe, uri, 0), table.read(recipe, uri, 1)
    assert list(before["id"]) == list(after["id"][:4]) == ids
    assert split.entity_hashes(recipe, after)[:4].tolist() == split.entity_hashes(recipe, before).tolist()
    assert len(split.latest(recipe, after)) == 5


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    uri = tables.write(tmp_path / "t", examples.rows(5))
    with pytest.raises(TrainingError, match=f"version 3 of the table at {uri} cannot be read"):
        table.read(RECIPE, uri, 3)
    with pytest.raises(TrainingError, match=r"version 0 of the table at .*none cannot be read"):
        table.read(RECIPE, str(tmp_path / "none"), 0)
    other = tables.write(tmp_path / "o", examples.rows(5).drop(columns="b"))
    with pytest.raises(TrainingError, match=r"lacks \['b'\]: it was written for another schema"):
        table.read(RECIPE, other, 0)
