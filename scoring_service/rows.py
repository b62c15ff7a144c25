"""Bodies of `/score` to rows.

Decoders with types built once from the schema accept good bodies in a microsecond. What they refuse goes to
`explain`, which defines what is right and says what is wrong: the decoders are its fast half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Protocol, TypeAlias

import msgspec

from scoring_service.explain import explain
from scoring_service.schema import Feature, Schema

Row: TypeAlias = tuple[float, ...]
Body: TypeAlias = bytes | bytearray


class _Request(Protocol):
    data: Sequence[object]


class RowDecoder:
    """Decodes the bodies of one schema."""

    def __init__(self, schema: Schema, max_rows: int) -> None:
        numbers = [_number(feature) for feature in schema.features]
        keys = [f"f{index}" for index in range(len(numbers))]
        names = [msgspec.field(name=name) for name in schema.names]
        fields = list(zip(keys, numbers, names, strict=True))
        self._schema = schema
        self._max_rows = max_rows
        self.record = msgspec.defstruct("Record", fields, frozen=True, gc=False, forbid_unknown_fields=True)
        self._lists = _decoder(tuple[tuple(numbers)], max_rows)  # type: ignore[misc]  # built from the schema
        self._objects = _decoder(self.record, max_rows)
        self._values: Callable[[object], Row] = attrgetter(*keys) if len(keys) > 1 else _one(keys[0])

    def decode(self, body: Body) -> Sequence[Row]:
        """The rows of a body, values in the order of the schema; raises `ProblemError`."""
        named = body.find(b"{", body.find(b"{") + 1) > 0
        try:
            if named:
                return [self._values(record) for record in self._objects.decode(body).data]
            return self._lists.decode(body).data  # type: ignore[return-value]  # tuples of floats, as decoded
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return explain(bytes(body), self._schema, self._max_rows)

    def records(self, rows: Sequence[Row]) -> list[msgspec.Struct]:
        """The rows as objects that encode with the names of the features."""
        record = self.record
        return [record(*row) for row in rows]


def _number(feature: Feature) -> object:
    return Annotated[float, msgspec.Meta(ge=feature.minimum, le=feature.maximum)]


def _one(key: str) -> Callable[[object], Row]:
    value = attrgetter(key)
    return lambda record: (value(record),)


def _decoder(row: object, max_rows: int) -> msgspec.json.Decoder[_Request]:
    rows = Annotated[list[row], msgspec.Meta(min_length=1, max_length=max_rows)]  # type: ignore[valid-type]
    return msgspec.json.Decoder(msgspec.defstruct("Body", [("data", rows)], gc=False))
