"""Bodies of `/score`, and rows that other protocols decoded, to checked rows.

Decoders with types built once from the schema accept good bodies in a microsecond. What they refuse goes to
`explain`, which defines what is right and says what is wrong: the decoders are its fast half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias

import msgspec

from scoring_service.explain import LARGEST, SMALLEST, explain, explain_rows
from scoring_service.schema import MISSING, Feature, Schema, Value

Row: TypeAlias = tuple[Value, ...]
Body: TypeAlias = bytes | bytearray
UNDECODED: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_NEVER: Final[Any] = Annotated[float, msgspec.Meta(gt=1.7976931348623157e308)]
"""No number: what only the slow half can look at."""


class _Request(Protocol):
    data: Sequence[object]


class RowDecoder:
    """Decodes the bodies of one schema, none of whose features is nullable: `of` makes the one for any schema."""

    def __init__(self, schema: Schema, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        record = record_type(schema.features)
        keys = record.__struct_fields__
        types = tuple(_type(feature) for feature in schema.features)
        lists = tuple[types]  # type: ignore[valid-type]  # built from the schema
        self._list_rows, self._object_rows = _many(lists, max_rows), _many(record, max_rows)
        self._lists, self._objects = _decoder(self._list_rows), _decoder(self._object_rows)
        self._values: Callable[[object], Row] = attrgetter(*keys) if len(keys) > 1 else _one(keys[0])

    @classmethod
    def of(cls, schema: Schema, max_rows: int) -> RowDecoder:
        """The decoder for a schema; only one with nullable features looks for missing values."""
        return (NullableDecoder if schema.nullable else RowDecoder)(schema, max_rows)

    def decode(self, body: Body) -> Sequence[Row]:
        """The rows of a body, values in the order of the schema; raises `ProblemError`."""
        if not (body.isascii() or _is_text(body)):
            return explain(bytes(body), self._schema, self._max_rows)
        try:
            return self._lists.decode(body).data  # type: ignore[return-value]  # tuples of values, as decoded
        except UNDECODED:
            return self._decode_objects(body)

    def _decode_objects(self, body: Body) -> Sequence[Row]:
        try:
            return [self._values(record) for record in self._objects.decode(body).data]
        except UNDECODED:
            return explain(bytes(body), self._schema, self._max_rows)

    def check(self, rows: object, what: str, finite: bool = True) -> Sequence[Row]:
        """Decoded rows, lists or objects, as rows in the order of the schema; raises `ProblemError`.

        `what` names them in the refusal; `finite` says that no number in them can be NaN or infinite.
        """
        if not finite:
            return explain_rows(rows, self._schema, self._max_rows, what)
        named = isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)
        try:
            if named:
                return [self._values(record) for record in msgspec.convert(rows, self._object_rows)]
            return msgspec.convert(rows, self._list_rows)
        except (msgspec.ValidationError, OverflowError, RecursionError, ValueError):
            return explain_rows(rows, self._schema, self._max_rows, what)


class NullableDecoder(RowDecoder):
    """Decodes the bodies of a schema with nullable features, and puts `MISSING` where rows have null."""

    def decode(self, body: Body) -> Sequence[Row]:
        """As `RowDecoder.decode`."""
        return _filled(super().decode(body))

    def check(self, rows: object, what: str, finite: bool = True) -> Sequence[Row]:
        """As `RowDecoder.check`."""
        return _filled(super().check(rows, what, finite))


def _filled(rows: Sequence[tuple[Value | None, ...]]) -> list[Row]:
    return [tuple([MISSING if value is None else value for value in row]) for row in rows]


def _is_text(body: Body) -> bool:
    """Whether all of it is UTF-8: decoders look at nothing in what they skip."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def record_type(features: Iterable[Feature]) -> type[msgspec.Struct]:
    """A row as a struct that is read and written with the names of the features."""
    fields = [
        (f"f{index}", _type(feature), msgspec.field(name=feature.name)) for index, feature in enumerate(features)
    ]
    return msgspec.defstruct("Record", fields, frozen=True, gc=False, forbid_unknown_fields=True)


def _type(feature: Feature) -> Any:  # noqa: ANN401  # a type, for msgspec
    return _present(feature) | None if feature.nullable else _present(feature)


def _present(feature: Feature) -> Any:  # noqa: ANN401  # a type, for msgspec
    low, high, values = feature.minimum, feature.maximum, feature.values
    match feature.type:
        case "string":
            return str if values is None else Literal[values]
        case "boolean":
            return bool
        case "integer" if values is None:
            least, most = SMALLEST if low is None else ceil(low), LARGEST if high is None else floor(high)
            return Annotated[int, msgspec.Meta(ge=max(least, SMALLEST), le=min(most, LARGEST))]
        case "integer":
            return Literal[tuple(map(int, values or ()))]
    return Annotated[float, msgspec.Meta(ge=low, le=high)] if values is None else _NEVER


def _one(key: str) -> Callable[[object], Row]:
    value = attrgetter(key)
    return lambda record: (value(record),)


def _many(row: object, max_rows: int) -> type[list[Row]]:
    return Annotated[list[row], msgspec.Meta(min_length=1, max_length=max_rows)]  # type: ignore[valid-type,return-value]  # built from the schema


def _decoder(rows: object) -> msgspec.json.Decoder[_Request]:
    return msgspec.json.Decoder(msgspec.defstruct("Body", [("data", rows)], gc=False))
