"""Columns by name: whatever order they come in, all of them must be there and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from scoring_service.explain import kind_of
from scoring_service.problem import FieldError, ProblemError, some_of
from scoring_service.schema import Schema


def order_of(given: Sequence[object], schema: Schema) -> list[int]:
    """Where each feature of the schema stands in `given`.

    Raises:
        ProblemError: Names are missing, unknown or repeated; it lists them.
    """
    names = schema.names
    texts = [_text(name) for name in given]
    counts = Counter(texts)
    found = {
        "missing": [name for name in names if name not in counts],
        "unknown": sorted(counts.keys() - set(names)),
        "repeated": sorted(name for name, count in counts.items() if count > 1),
    }
    errors = [FieldError(f"{what} {some_of(which)}") for what, which in found.items() if which]
    if errors:
        wrong = ", ".join(str(error) for error in errors)
        raise ProblemError(422, f"the columns do not fit: {wrong}; expected {names} in any order", errors)
    places = {name: place for place, name in enumerate(texts)}
    return [places[name] for name in names]


def rows_of_table(columns: Sequence[object], data: Sequence[object], schema: Schema) -> list[object]:
    """The rows of a table with named columns, in the order of the schema; rows of another length stay as they are."""
    order = order_of(columns, schema)
    if order == list(range(len(order))):
        return list(data)
    width = len(columns)
    return [[row[i] for i in order] if isinstance(row, list) and len(row) == width else row for row in data]


def rows_of_columns(columns: Mapping[str, object], schema: Schema) -> list[object]:
    """The rows of named columns; single values instead of lists are one row. Raises `ProblemError`."""
    names = list(columns)
    ordered = [names[index] for index in order_of(names, schema)]
    values = [columns[name] for name in ordered]
    if not any(isinstance(column, list) for column in values):
        return [values]
    lists = [column for column in values if isinstance(column, list)]
    if len(lists) < len(values) or len({len(column) for column in lists}) > 1:
        told = {name: len(column) if isinstance(column, list) else "no list" for name, column in columns.items()}
        raise ProblemError(422, f"the columns must be lists of the same length, got {told}")
    return [list(row) for row in zip(*lists, strict=True)]


def _text(name: object) -> str:
    """A name as text; lists and objects only by their kind, since they may be nested too deeply to be shown."""
    if isinstance(name, str):
        return name
    return kind_of(name) if isinstance(name, list | dict) else repr(name)
