"""Batches: rows that arrive together, held against the recipe's schema chunk by chunk.

A file that cannot be read as a table is a `BatchError` (`recipes.batch_files`). A table that can be read but breaks
the schema has findings, each naming column, rows and rule. What `Checker.check` gives back has the schema's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from recipes import columns, rules
from recipes.findings import Finding, Findings
from recipes.recipe import Recipe
from recipes.repeats import Repeats

if TYPE_CHECKING:
    from recipes.repeats import Hashes

    RowHash = Callable[[pa.RecordBatch], Hashes]


class Checker:
    """Holds the chunks of one batch against a recipe's schema, in their order.

    `spelt` names the columns that come as text from a CSV; `row_hash` gives 64 bits per row, for uniqueness.
    """

    def __init__(self, recipe: Recipe, row_hash: RowHash, spelt: bool = False) -> None:
        self._recipe = recipe
        self._rules = rules.derive(recipe.schema)
        self._spelt = spelt
        self._row_hash = row_hash
        self._findings = Findings()
        self._repeats = {key: Repeats() for key in self._rules.unique}
        self.rows = 0

    @property
    def spelt(self) -> frozenset[str]:
        """The columns that are read from the text of a CSV."""
        return frozenset(rule.name for rule in self._rules.columns)

    @property
    def broken(self) -> bool:
        """Whether any rule was broken by what was seen so far."""
        return bool(self._findings)

    def check_columns(self, names: Sequence[str]) -> None:
        """Note missing and extra columns; their order is free."""
        for name in self._recipe.columns:
            if name not in names:
                self._findings.add(Finding(name, (), 0, "is missing"))
        for name in names:
            if name not in self._recipe.columns:
                self._findings.add(Finding(name, (), 0, "is not in the schema"))

    def check(self, chunk: pa.RecordBatch) -> pa.RecordBatch:
        """Note what a chunk breaks; returns it in the schema's order and types, null where a value is unreadable."""
        found = {rule.name: self._check_column(rule, chunk.column(rule.name)) for rule in self._rules.columns}
        for name in self._recipe.columns:
            if name not in found:
                found[name] = columns.plain(chunk.column(name))
        rows = pa.RecordBatch.from_pydict({name: found[name] for name in self._recipe.columns})
        self._ask_pandera(rows)
        rows = pa.RecordBatch.from_pydict({name: self._kept(name, rows.column(name)) for name in rows.schema.names})
        for key, repeats in self._repeats.items():
            repeats.add(self._row_hash(rows.select(list(key))))
        self.rows += chunk.num_rows
        return rows

    def findings(self) -> list[Finding]:
        """Everything that was broken, after the last chunk; in the order of the columns."""
        for key, repeats in self._repeats.items():
            mask = repeats.mask()
            name = key[0] if len(key) == 1 else None
            self._findings.mark(name, mask, 0, f"must be unique{'' if name else f' in {list(key)}'}")
        return self._findings.sorted(self._recipe.columns)

    def _kept(self, name: str, column: pa.Array) -> pa.Array:
        kept = columns.keepable(column)
        if kept is not None:
            return kept
        self._findings.add(Finding(name, (), 0, f"holds what a table cannot keep as {column.type}"))
        return pa.nulls(len(column), pa.string())

    def _check_column(self, rule: rules.ColumnRules, column: pa.Array) -> pa.Array:
        read = _read(column, rule.dtype, self._spelt)
        mark, offset = self._findings.mark, self.rows
        mark(rule.name, read.unreadable, offset, f"is not of type {rule.wanted}")
        if not rule.nullable:
            mark(rule.name, read.missing, offset, "must not be empty")
        if rule.limits or read.values.dtype.kind == "f":
            self._check_limits(rule, read)
        return read.column

    def _check_limits(self, rule: rules.ColumnRules, read: columns.Read) -> None:
        usable, offset = read.usable, self.rows
        kept = np.ones(len(usable), dtype=bool)
        for limit in rule.limits:
            held = limit.holds(read.values)
            self._findings.mark(rule.name, usable & ~held, offset, limit.rule)
            kept &= held
        if read.values.dtype.kind == "f":
            self._findings.mark(rule.name, usable & kept & np.isinf(read.values), offset, "must be finite")

    def _ask_pandera(self, rows: pa.RecordBatch) -> None:
        if self._rules.rest is not None:
            frame = rows.select(list(self._rules.rest.columns)).to_pandas()
            for finding in rules.ask_pandera(self._rules.rest, frame, self.rows):
                self._findings.add(finding)


def _read(column: pa.Array, dtype: np.dtype[Any] | None, spelt: bool) -> columns.Read:
    if dtype is None:
        return columns.read_text(column, spelt)
    return columns.read_truth(column, spelt) if dtype.kind == "b" else columns.read_numbers(column, dtype, spelt)
