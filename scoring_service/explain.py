"""Why a body is refused: the slow half of decoding, run only when the fast one fails.

It reads JSON with `NaN`, infinities and numbers of any size, so that it can name the row and field they stand in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from scoring_service.problem import FieldError, ProblemError
from scoring_service.schema import Feature, Schema

Row: TypeAlias = tuple[float, ...]
EXPECTED = 'expected {"data": [row, ...]} with rows as lists of numbers or as objects'


def explain(body: bytes, schema: Schema, max_rows: int) -> list[Row]:
    """The rows of a body, if nothing is wrong with it; else raises `ProblemError`."""
    rows = _data(_parse(body), max_rows)
    kind = dict if isinstance(rows[0], dict) else list
    errors: list[FieldError] = []
    for index, row in enumerate(rows):
        errors += _errors(index, row, kind, schema)
    if errors:
        raise ProblemError.of_rows(errors)
    return [tuple(_values(row, schema)) for row in rows]  # type: ignore[arg-type]  # checked by _errors


def _parse(body: bytes) -> object:
    try:
        return json.loads(body.decode(), parse_int=float)
    except RecursionError:
        raise ProblemError(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise ProblemError(400, f"the body is not JSON: {error}; {EXPECTED}") from None


def _data(document: object, max_rows: int) -> list[object]:
    if not isinstance(document, dict):
        raise ProblemError(422, f"the body is {_kind(document)}; {EXPECTED}")
    if "data" not in document:
        raise ProblemError(422, f"`data` is missing; {EXPECTED}")
    rows = document["data"]
    if not isinstance(rows, list):
        raise ProblemError(422, f"`data` is {_kind(rows)}; {EXPECTED}")
    if not rows:
        raise ProblemError(422, f"`data` is empty; {EXPECTED}")
    if len(rows) > max_rows:
        raise ProblemError(413, f"`data` has {len(rows)} rows, at most {max_rows} are allowed in one request")
    return rows


def _errors(index: int, row: object, kind: type, schema: Schema) -> Iterator[FieldError]:
    if not isinstance(row, kind):
        expected = "an object" if kind is dict else "a list"
        reason = " like row 0, all rows alike" if index else f" of {len(schema.features)} numbers"
        yield FieldError(f"expected {expected}{reason}, got {_kind(row)}", index)
    elif isinstance(row, dict):
        yield from _name_errors(index, row, schema)
    elif isinstance(row, list):
        yield from _list_errors(index, row, schema)


def _name_errors(index: int, row: Mapping[str, object], schema: Schema) -> Iterator[FieldError]:
    names = schema.names
    missing = [name for name in names if name not in row]
    unknown = sorted(name for name in row if name not in names)
    if missing:
        yield FieldError(f"missing {missing}", index)
    if unknown:
        yield FieldError(f"unknown {unknown}, expected {names}", index)
    for feature in schema.features:
        if feature.name in row:
            yield from _value_errors(index, row[feature.name], feature)


def _list_errors(index: int, row: Sequence[object], schema: Schema) -> Iterator[FieldError]:
    if len(row) != len(schema.features):
        yield FieldError(f"expected {len(schema.features)} numbers ({schema.names}), got {len(row)}", index)
        return
    for feature, value in zip(schema.features, row, strict=True):
        yield from _value_errors(index, value, feature)


def _value_errors(index: int, value: object, feature: Feature) -> Iterator[FieldError]:
    if not isinstance(value, float):
        message = f"expected a number, got {_kind(value)}"
    elif not math.isfinite(value):
        message = f"{value!r} is not a finite number"
    elif feature.minimum is not None and value < feature.minimum:
        message = f"{value!r} is less than the minimum {feature.minimum!r}"
    elif feature.maximum is not None and value > feature.maximum:
        message = f"{value!r} is more than the maximum {feature.maximum!r}"
    else:
        return
    yield FieldError(message, index, feature.name)


def _values(row: list[float] | dict[str, float], schema: Schema) -> Iterator[float]:
    if isinstance(row, list):
        return iter(row)
    return (row[name] for name in schema.names)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a number"
