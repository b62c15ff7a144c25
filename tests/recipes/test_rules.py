"""The rules must say what pandera says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.errors import SchemaErrors
from pandera.pandas import Check, Column, DataFrameSchema

from recipes import rules
from recipes.batches import Checker
from recipes.findings import Finding
from recipes.recipe import Recipe
from tests.recipes import examples
from tests.recipes.frames import pandas_hash, validate

CHECKS = [
    Check.ge(-1),
    Check.gt(0),
    Check.le(2),
    Check.lt(1.5),
    Check.eq(1),
    Check.ne(0),
    Check.in_range(-1, 1, include_min=False),
    Check.in_range(-1, 1, include_max=False),
    Check.isin([-1, 0, 0.5, 1]),
    Check.notin([0.5]),
    Check.ge(0, error="no debts"),
    Check(lambda values: values != 2, name="not_two", error="not two"),
    Check(lambda value: value < 2, element_wise=True, name="small", error="small"),
]
NUMBERS = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, np.nan])


def oracle(schema: DataFrameSchema, frame: pd.DataFrame) -> set[tuple[str, str, int]]:
    """Column, rule and row of everything that pandera finds."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        return {
            (str(case.column), rules._rule(str(case.check)), int(case.index) + 1)
            for case in cases.itertuples()
            if not pd.isna(case.index)
        }
    return set()


def found(recipe: Recipe, frame: pd.DataFrame, size: int) -> set[tuple[str, str, int]]:
    """The same from the rules, in chunks of `size`."""
    checker = Checker(recipe, pandas_hash)
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    for chunk in table.to_batches(size):
        checker.check(chunk)
    findings = checker.findings()
    assert all(finding.count == len(finding.rows) for finding in findings)
    return {(str(finding.column), finding.rule, row) for finding in findings for row in finding.rows}


@given(
    values=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=9),
    checks=st.lists(st.sampled_from(CHECKS), max_size=3, unique_by=lambda check: check.error),
    nullable=st.booleans(),
    size=st.integers(1, 9),
)
def test_the_rules_find_what_pandera_finds(
    values: list[tuple[float, float]], checks: list[Check], nullable: bool, size: int
) -> None:
    schema = DataFrameSchema({"a": Column(float, checks, nullable=nullable), "y": Column(float, nullable=True)})
    frame = pd.DataFrame(values, columns=["a", "y"])
    assert found(examples.recipe(schema=schema), frame, size) == oracle(schema, frame)


def test_only_what_cannot_be_derived_is_left_to_pandera() -> None:
    own = Check(lambda values: values > 0)
    schema = DataFrameSchema(
        {
            "a": Column(float, [Check.ge(0), own]),
            "b": Column(float, Check.ge(0), unique=True),
            "city": Column(str, Check.isin(["Bern"])),
            "when": Column("datetime64[us]"),
            "y": Column(float),
        },
        unique=["a", "city"],
    )
    derived = rules.derive(schema)
    assert [(column.name, len(column.limits)) for column in derived.columns] == [
        ("a", 1),
        ("b", 1),
        ("city", 0),
        ("y", 0),
    ]
    assert derived.rest is not None
    assert {name: len(column.checks) for name, column in derived.rest.columns.items()} == {
        "a": 1,
        "city": 1,
        "when": 0,
    }
    assert derived.unique == (("b",), ("a", "city"))
    assert rules.derive(examples.SCHEMA).rest is None


def test_columns_of_other_types_and_whole_rows_are_pandera_s() -> None:
    schema = DataFrameSchema(
        {"city": Column(str, Check.isin(["Bern"])), "when": Column("datetime64[us]"), "y": Column(float)},
        checks=Check(lambda frame: frame["y"] > 0, name="positive", error="y is positive"),
    )
    recipe = examples.recipe(schema=schema, identifiers=("when",))
    good = pd.DataFrame(
        {"city": "Bern", "when": pd.to_datetime(["2026-01-01"] * 3).astype("datetime64[us]"), "y": 1.0}
    )
    assert validate(recipe, good) == []
    bad = good.assign(city=["Bern", "Chur", "Bern"], y=[1.0, 1.0, -1.0])
    findings = {(finding.column, finding.rows, finding.rule) for finding in validate(recipe, bad)}
    assert ("city", (2,), "breaks isin(['Bern'])") in findings
    assert any(rows == (3,) and rule == "breaks y is positive" for _, rows, rule in findings)
    [wrong] = validate(recipe, good.assign(when=[1, 2, 3]))
    assert (wrong.column, wrong.count) == ("when", 3)
    assert wrong.rule.startswith("breaks dtype('datetime64")


def test_uniqueness_counts_over_all_chunks() -> None:
    schema = DataFrameSchema(
        {"a": Column(float, unique=True), "b": Column(float), "y": Column(float)}, unique=["b", "y"]
    )
    frame = pd.DataFrame(
        {"a": [1.0, 2.0, 3.0, 1.0, 1.0], "b": [1.0, 1.0, 2.0, 1.0, 1.0], "y": [0.0, 1.0, 0.0, 1.0, 5.0]}
    )
    checker = Checker(examples.recipe(schema=schema), pandas_hash)
    for chunk in pa.Table.from_pandas(frame, preserve_index=False).to_batches(2):
        checker.check(chunk)
    assert checker.findings() == [
        Finding("a", (4, 5), 2, "must be unique"),
        Finding(None, (4,), 1, "must be unique in ['b', 'y']"),
    ]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_numbers_without_limits_must_still_be_finite(value: float) -> None:
    frame = examples.rows(12)
    frame.loc[4, "y"] = value
    assert validate(examples.recipe(), frame) == [Finding("y", (5,), 1, "must be finite")]


def test_small_integers_hold_no_large_ones() -> None:
    schema = DataFrameSchema({"n": Column("int8"), "u": Column("uint8"), "f": Column("float32"), "y": Column(float)})
    frame = pd.DataFrame({"n": [1, 300, -3], "u": [1, 2, -1], "f": [1.0, 2.0, 3.0], "y": 1.0})
    assert validate(examples.recipe(schema=schema), frame) == [
        Finding("n", (2,), 1, "is not of type int8"),
        Finding("u", (3,), 1, "is not of type uint8"),
    ]
