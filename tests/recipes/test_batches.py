from __future__ import annotations

import contextlib
import io
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.pandas import Column, DataFrameSchema

from recipes.batch_files import open_batch
from recipes.batches import Checker
from recipes.findings import BatchError, Finding
from recipes.recipe import Recipe
from tests.recipes import examples
from tests.recipes.frames import conform, pandas_hash, validate

RECIPE = examples.recipe()
FRAME = examples.rows(12)


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def parquet(frame: pd.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.to_parquet(target, index=False)
    return target.getvalue()


def inspect(content: bytes, name: str, recipe: Recipe = RECIPE) -> tuple[list[Finding], pd.DataFrame]:
    """The findings of a file, and its rows as the table would take them."""
    checker = Checker(recipe, pandas_hash, spelt=name.endswith("csv"))
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        opened = open_batch(Path(file.name), name, checker.spelt)
        checker.check_columns(opened.columns)
        chunks = [] if checker.broken else [checker.check(chunk) for chunk in opened.chunks]
    return checker.findings(), pa.Table.from_batches(chunks).to_pandas() if chunks else pd.DataFrame()


def good(content: bytes, name: str, recipe: Recipe = RECIPE) -> pd.DataFrame:
    findings, frame = inspect(content, name, recipe)
    assert findings == []
    return frame


def test_csv_and_parquet_give_the_same_frame() -> None:
    pd.testing.assert_frame_equal(good(parquet(FRAME), "rows with spaces.PARQUET"), FRAME)
    pd.testing.assert_frame_equal(good(csv(FRAME), "x.csv"), FRAME)
    pd.testing.assert_frame_equal(conform(RECIPE, FRAME), FRAME)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "x.csv", "x.csv: the file is empty"),
        (b"a,b,y\n", "x.csv", "zero rows"),
        (b"a,b,y\n1,2,3\n1,2\n", "x.csv", "line 3: Expected 3 columns, got 2"),
        (b"a,b,y\n1,2,3\n1,2,3,4\n", "x.csv", "line 3: Expected 3 columns, got 4"),
        (b"a,b,y\n1,2,3\n\xff,2,3\n", "x.csv", "line 3 is not UTF-8"),
        (b"\x00" * 40, "x.csv", "Empty CSV"),
        (b"a,a,y\n1,2,3\n", "x.csv", "column names occur more than once: a"),
        (parquet(FRAME), "x.csv", "binary file"),
        (csv(FRAME), "x.parquet", "not the Parquet file that its name says"),
        (parquet(FRAME)[:-9], "x.parquet", "truncated"),
        (b"PAR1" + b"\xff" * 40 + b"PAR1", "x.parquet", "damaged"),
        (parquet(FRAME.head(0)), "x.parquet", "zero rows"),
        (csv(FRAME), "x.xlsx", "use .csv or .parquet"),
        (csv(FRAME), "x", "end in nothing"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_reason(content: bytes, name: str, reason: str) -> None:
    with pytest.raises(BatchError, match=f"^{name}: .*") as caught:
        inspect(content, name)
    assert reason in str(caught.value)


@given(position=st.integers(0, len(parquet(FRAME)) - 1), value=st.integers(0, 255))
def test_no_damaged_parquet_gets_past_as_anything_but_an_error_or_a_frame(position: int, value: int) -> None:
    content = bytearray(parquet(FRAME))
    content[position] = value
    with contextlib.suppress(BatchError):
        findings, frame = inspect(bytes(content), "x.parquet")
        assert findings or len(frame)


def test_an_index_that_pandas_kept_is_no_column() -> None:
    target = io.BytesIO()
    FRAME.iloc[3:6].to_parquet(target, index=True)
    frame = good(target.getvalue(), "x.parquet")
    assert list(frame.columns) == ["a", "b", "y"]
    assert list(frame.index) == [0, 1, 2]


def test_order_of_columns_bom_and_line_ends_are_free() -> None:
    content = b"\xef\xbb\xbf" + csv(FRAME[["y", "b", "a"]]).replace(b"\n", b"\r\n")
    pd.testing.assert_frame_equal(good(content, "x.csv"), FRAME)


def test_missing_and_extra_columns_are_named() -> None:
    findings, _ = inspect(csv(FRAME.drop(columns="a").assign(z=1)), "x.csv")
    assert [str(finding) for finding in findings] == [
        "column 'a': is missing",
        "column 'z': is not in the schema",
    ]


def test_each_bad_cell_is_named_once_with_its_row() -> None:
    frame = FRAME.astype(object)
    frame.loc[4, "a"] = "abc"
    frame.loc[5, "b"] = None
    frame.loc[6, "b"] = 7.0
    assert inspect(csv(frame), "x.csv")[0] == [
        Finding("a", (5,), 1, "is not of type float64"),
        Finding("b", (6,), 1, "must not be empty"),
        Finding("b", (7,), 1, "breaks in_range(0, 1)"),
    ]


def test_at_most_ten_rows_are_listed() -> None:
    (finding,) = validate(RECIPE, FRAME.assign(a=np.inf))
    assert finding.rows == tuple(range(1, 11))
    assert finding.count == 12
    assert str(finding).endswith("(rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …; 12 in all)")


@pytest.mark.parametrize("value", [True, "0.1", "m", [1.0], np.datetime64("2026-01-01", "ns")])
def test_a_typed_column_of_another_type_is_wrong_in_every_row(value: object) -> None:
    frame = FRAME.assign(a=pd.Series([value] * len(FRAME)))
    ((finding,), _) = inspect(parquet(frame), "x.parquet")
    assert (finding.column, finding.count, finding.rule) == ("a", 12, "is not of type float64")


@pytest.mark.parametrize("value", [0, 1, np.float32(0.5), Decimal("0.1")])
def test_other_numbers_become_floats(value: object) -> None:
    frame = good(parquet(FRAME.assign(a=pd.Series([value] * len(FRAME)))), "x.parquet")
    assert str(frame["a"].dtype) == "float64"


def test_integers_and_texts_keep_their_kind() -> None:
    schema = DataFrameSchema({"n": Column("int64"), "city": Column(str), "y": Column(float)})
    recipe = examples.recipe(schema=schema)
    frame = good(b"n,city,y\n1,Bern,2\n9007199254740993,7,3\n", "x.csv", recipe)
    assert frame["n"].tolist() == [1, 9007199254740993]
    assert frame["city"].tolist() == ["Bern", "7"]
    bad = inspect(b"n,city,y\n1.5,Bern,2\n2,,3\n1e30,Chur,", "x.csv", recipe)[0]
    assert bad == [
        Finding("n", (1, 3), 2, "is not of type int64"),
        Finding("city", (2,), 1, "must not be empty"),
        Finding("y", (3,), 1, "must not be empty"),
    ]


def test_rows_count_from_one_whatever_the_index() -> None:
    frame = FRAME.iloc[5:].copy()
    frame.iloc[0, 0] = 3.0
    assert validate(RECIPE, frame)[0].rows == (1,)


def test_an_identifier_that_no_table_can_keep_is_a_finding() -> None:
    columns = RECIPE.schema.columns | {"at": Column(None)}
    recipe = examples.recipe(schema=DataFrameSchema(columns), identifiers=("at",))
    findings, _ = inspect(parquet(FRAME.assign(at=b"x")), "x.parquet", recipe)
    assert findings == [Finding("at", (), 0, "holds what a table cannot keep as binary")]
