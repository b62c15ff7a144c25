"""Why a body is refused: the slow half of decoding, run only when the fast one fails.

It reads JSON with `NaN`, infinities and numbers of any size, so that it can name the row and field they stand in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from scoring_service.problem import FieldError, ProblemError, some_of
from scoring_service.schema import MISSING, Feature, Kind, Schema, Value

Row: TypeAlias = tuple[Value, ...]
EXPECTED: Final = 'expected {"data": [row, ...]} with rows as lists or as objects'
SMALLEST: Final = -(2**63)
LARGEST: Final = 2**63 - 1
NOUNS: Final[Mapping[Kind, str]] = {
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "string": "a string",
}


def explain(body: bytes, schema: Schema, max_rows: int) -> list[Row]:
    """The rows of a body of `/score`, if nothing is wrong with it; else raises `ProblemError`."""
    return explain_rows(_data(parse(body, EXPECTED)), schema, max_rows)


def explain_rows(rows: object, schema: Schema, max_rows: int, what: str = "`data`") -> list[Row]:
    """The rows of a decoded document, if nothing is wrong with them; else raises `ProblemError`.

    None is a missing value; NaN is a number that nobody may send.
    """
    if not isinstance(rows, list):
        raise ProblemError(422, f"{what} is {kind_of(rows)}; expected rows as lists or as objects")
    if not rows:
        raise ProblemError(422, f"{what} is empty; expected at least one row")
    if len(rows) > max_rows:
        raise ProblemError(413, f"{what} has {len(rows)} rows, at most {max_rows} are allowed in one request")
    kind = dict if isinstance(rows[0], dict) else list
    errors: list[FieldError] = []
    for index, row in enumerate(rows):
        errors += _errors(index, row, kind, schema)
    if errors:
        raise ProblemError.of_rows(errors)
    return [tuple(_values(row, schema)) for row in rows]


def parse(body: bytes, expected: str) -> object:
    """The JSON document in a body, with NaN, infinities and numbers of any size; raises `ProblemError`."""
    try:
        return json.loads(body.decode(), parse_int=_parse_integer)
    except RecursionError:
        raise ProblemError(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise ProblemError(400, f"the body is not JSON: {error}; {expected}") from None


def _parse_integer(text: str) -> float:
    return int(text) if len(text) <= len(str(SMALLEST)) else float(text)


def _data(document: object) -> object:
    if not isinstance(document, dict):
        raise ProblemError(422, f"the body is {kind_of(document)}; {EXPECTED}")
    if "data" not in document:
        raise ProblemError(422, f"`data` is missing; {EXPECTED}")
    return document["data"]


def _errors(index: int, row: object, kind: type, schema: Schema) -> Iterator[FieldError]:
    if not isinstance(row, kind):
        expected = "an object" if kind is dict else "a list"
        reason = " like row 0, all rows alike" if index else f" of {_count(schema)}"
        yield FieldError(f"expected {expected}{reason}, got {kind_of(row)}", index)
    elif isinstance(row, dict):
        yield from _name_errors(index, row, schema)
    elif isinstance(row, list):
        yield from _list_errors(index, row, schema)


def _name_errors(index: int, row: Mapping[str, object], schema: Schema) -> Iterator[FieldError]:
    names = schema.names
    missing = [name for name in names if name not in row]
    unknown = sorted(row.keys() - set(names))
    if missing:
        yield FieldError(f"missing {missing}", index)
    if unknown:
        yield FieldError(f"unknown {some_of(unknown)}, expected {names}", index)
    for feature in schema.features:
        if feature.name in row:
            yield from _value_errors(index, row[feature.name], feature)


def _list_errors(index: int, row: Sequence[object], schema: Schema) -> Iterator[FieldError]:
    if len(row) != len(schema.features):
        yield FieldError(f"expected {_count(schema)} ({schema.names}), got {len(row)}", index)
        return
    for feature, value in zip(schema.features, row, strict=True):
        yield from _value_errors(index, value, feature)


def _count(schema: Schema) -> str:
    return f"{len(schema.features)} {'numbers' if schema.numeric else 'values'}"


def _value_errors(index: int, value: object, feature: Feature) -> Iterator[FieldError]:
    if value is None and feature.nullable:
        return
    found = _read(value, feature.type)
    if found is None:
        shown = f"{value!r}" if feature.type == "integer" and isinstance(value, float) else kind_of(value)
        message = f"expected {NOUNS[feature.type]}{' or null' if feature.nullable else ''}, got {shown}"
    elif isinstance(found, str):
        message = _text_error(found)
    else:
        message = _number_error(found, feature)
    if not message and feature.values is not None and found not in feature.values:
        message = f"{found!r} is none of {list(feature.values)}"
    if message:
        yield FieldError(message, index, feature.name)


def _text_error(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"{text!a} is not Unicode"
    return ""


def _number_error(number: float, feature: Feature) -> str:
    if not math.isfinite(number):
        return f"{number!r} is not a finite number"
    if feature.type == "integer" and not SMALLEST <= number <= LARGEST:
        return f"{number!r} is no integer of 64 bits"
    if feature.minimum is not None and number < feature.minimum:
        return f"{number!r} is less than the minimum {feature.minimum!r}"
    if feature.maximum is not None and number > feature.maximum:
        return f"{number!r} is more than the maximum {feature.maximum!r}"
    return ""


def _values(row: list[object] | dict[str, object], schema: Schema) -> Iterator[Value]:
    values = row if isinstance(row, list) else [row[name] for name in schema.names]
    for value, feature in zip(values, schema.features, strict=True):
        found = _read(value, feature.type)
        yield MISSING if found is None else found


def _read(value: object, kind: Kind) -> Value | None:
    """The value as the kind has it; None if it is something else."""
    if kind == "string":
        return value if isinstance(value, str) else None
    if kind == "boolean" or isinstance(value, bool):
        return value if kind == "boolean" and isinstance(value, bool) else None
    if not isinstance(value, int | float):
        return None
    return _whole(value) if kind == "integer" else _float(value)


def _whole(value: float) -> float | None:
    number = _float(value)
    if not math.isfinite(number):
        return number
    if isinstance(value, int):
        return value
    return int(number) if number.is_integer() else None


def _float(value: float) -> float:
    """As float64, infinite if it is too large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
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
