"""The recipe's schema as rules that one chunk after the other can be held against, fast.

pandera defines the schema. Its usual checks of numbers are also plain comparisons, done here in numpy a hundred times
faster; any other check, and columns that hold neither numbers nor text, are given to pandera itself, chunk by chunk.
So a check of one's own must look at values, not at the column as a whole. Uniqueness is a property of the whole batch
and kept apart.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from pandera.errors import SchemaErrors

from recipes.columns import is_text, is_truth, number_type
from recipes.findings import Finding

if TYPE_CHECKING:
    from pandera.pandas import Check, Column, DataFrameSchema

    from recipes.columns import Values
    from recipes.findings import Mask

    Holds = Callable[[Values], Mask]

_COMPARISONS: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "greater_than_or_equal_to": ("min_value", operator.ge),
    "greater_than": ("min_value", operator.gt),
    "less_than_or_equal_to": ("max_value", operator.le),
    "less_than": ("max_value", operator.lt),
    "equal_to": ("value", operator.eq),
    "not_equal_to": ("value", operator.ne),
}


@dataclass(frozen=True)
class Limit:
    """A check of single values: `holds` gives for each value whether it is kept, `rule` what to say if not."""

    rule: str
    holds: Holds


@dataclass(frozen=True)
class ColumnRules:
    """What one column must be. `dtype` is None for text; limits are kept by numbers only."""

    name: str
    wanted: str
    dtype: np.dtype[Any] | None
    nullable: bool
    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class Rules:
    """All of a schema: `columns` are read and checked here, `rest` by pandera, `unique` over the whole batch."""

    columns: tuple[ColumnRules, ...]
    rest: DataFrameSchema | None
    unique: tuple[tuple[str, ...], ...]


def derive(schema: DataFrameSchema) -> Rules:
    """The rules of a schema."""
    found = [_column(str(name), column) for name, column in schema.columns.items()]
    single = [(str(name),) for name, column in schema.columns.items() if column.unique]
    together = [tuple(schema.unique)] if schema.unique else []
    return Rules(tuple(rules for rules in found if rules), _rest(schema), (*single, *together))


def ask_pandera(schema: DataFrameSchema, frame: pd.DataFrame, offset: int) -> list[Finding]:
    """What a chunk with a range index breaks; `offset` rows came before it."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        return _findings(error.failure_cases, offset, set(map(str, frame.columns)), len(frame))
    return []


def _column(name: str, column: Column) -> ColumnRules | None:
    if not _is_read(column):
        return None
    limits = tuple(limit for limit in map(_limit, column.checks) if limit)
    number = number_type(column)
    dtype = np.dtype(bool) if is_truth(column) else number
    return ColumnRules(name, str(column.dtype), dtype, bool(column.nullable), () if number is None else limits)


def _is_read(column: Column) -> bool:
    """Whether type and missing values are looked at here."""
    return not column.parsers and (number_type(column) is not None or is_text(column) or is_truth(column))


def _limit(check: Check) -> Limit | None:
    special = check.element_wise or check.groupby or check.raise_warning or check.n_failure_cases
    if special or not check.ignore_na:
        return None
    holds = _holds(str(check.name), dict(check.statistics or {}))
    return Limit(f"breaks {check.error or check.name}", holds) if holds else None


def _holds(name: str, given: dict[str, Any]) -> Holds | None:
    if name in _COMPARISONS:
        key, compare = _COMPARISONS[name]
        return partial(_compared, compare, given[key])
    if name == "in_range":
        return partial(_in_range, **given)
    if name == "isin":
        return partial(_isin, list(given["allowed_values"]), False)
    if name == "notin":
        return partial(_isin, list(given["forbidden_values"]), True)
    return None


def _compared(compare: Callable[[Any, Any], Any], limit: float, values: Values) -> Mask:
    return np.asarray(compare(values, limit))


def _in_range(values: Values, min_value: float, max_value: float, include_min: bool, include_max: bool) -> Mask:
    low = values >= min_value if include_min else values > min_value
    high = values <= max_value if include_max else values < max_value
    return np.asarray(low & high)


def _isin(listed: list[Any], invert: bool, values: Values) -> Mask:
    return np.isin(values, listed, invert=invert)


def _rest(schema: DataFrameSchema) -> DataFrameSchema | None:
    """What only pandera can check, and nothing else."""
    changes, kept = {}, []
    for name, column in schema.columns.items():
        change: dict[str, object] = {"unique": False}
        if _is_read(column):
            numeric = number_type(column) is not None
            checks = [check for check in column.checks if not (numeric and _limit(check))]
            change |= {"dtype": None, "nullable": True, "coerce": False, "checks": checks}
        if schema.checks or not _is_read(column) or change["checks"]:
            changes[name] = change
            kept.append(name)
    if not kept:
        return None
    rest = schema.select_columns(kept).update_columns(changes)
    rest.unique = None
    return rest


def _findings(failures: pd.DataFrame, offset: int, known: set[str], rows: int) -> list[Finding]:
    findings = []
    for (column, rule), cases in failures.groupby(["column", "check"], dropna=False, sort=False):
        positions = sorted({int(index) for index in cases["index"].dropna()})
        name = str(column) if str(column) in known else None
        shown = tuple(position + offset + 1 for position in positions[:10])
        findings.append(Finding(name, shown, len(positions) or rows, _rule(str(rule))))
    return findings


def _rule(check: str) -> str:
    return {"not_nullable": "must not be empty"}.get(check, f"breaks {check}")
