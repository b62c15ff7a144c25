"""The same rows in every form that the protocols have for them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from tests.scoring_service.serving import message

Rows = Sequence[Sequence[Any]]
Tensors = list[dict[str, Any]]

COUNT = 9
"""How many requests `textual` makes beside one for each of the `inputs`."""


def textual(infer: str, names: Sequence[str], rows: Rows, order: Sequence[int], inputs: Sequence[Tensors]) -> bytes:
    """Requests of rows, objects, tensors and tables, columns in this order where they have names; see `COUNT`."""
    return b"".join(_textual(infer, names, rows, order, inputs))


def _textual(
    infer: str, names: Sequence[str], rows: Rows, order: Sequence[int], inputs: Sequence[Tensors]
) -> Iterator[bytes]:
    named = [names[index] for index in order]
    shuffled = [[row[index] for index in order] for row in rows]
    objects = [dict(zip(named, row, strict=True)) for row in shuffled]
    yield message({"data": rows})
    yield message({"data": objects})
    for tensors in inputs:
        yield message({"inputs": tensors}, path=infer)
    for body in (
        {"dataframe_split": {"columns": named, "data": shuffled}},
        {"dataframe_records": objects},
        {"instances": objects},
        {"instances": rows},
        {"inputs": {names[index]: [row[index] for row in rows] for index in order}},
        {"inputs": rows},
    ):
        yield message(body, path="/invocations")
    yield message(table(named, shuffled), "Content-Type: text/csv", path="/invocations")


def whole(rows: Rows) -> tuple[Tensors, Tensors]:
    """Rows of numbers as one tensor, nested and flat."""
    tensor = {"name": "input", "datatype": "FP64", "shape": [len(rows), len(rows[0])]}
    return [tensor | {"data": rows}], [tensor | {"data": list(chain.from_iterable(rows))}]


def by_column(
    names: Sequence[str], datatypes: Sequence[str], rows: Rows, order: Sequence[int], *width: int
) -> Tensors:
    """A tensor per column, in this order."""
    shape = [len(rows), *width]
    return [
        {"name": names[i], "datatype": datatypes[i], "shape": shape, "data": [row[i] for row in rows]} for i in order
    ]


def table(names: Sequence[str], rows: Rows) -> str:
    """A CSV that quotes everything; a missing value is an empty cell."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([names, *rows])
    return text.getvalue()
