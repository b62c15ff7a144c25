"""One line of a segment of the request log, as `scoring_service.request_log` describes it."""

from __future__ import annotations

import sys
from array import array
from datetime import datetime
from typing import Final

import msgspec


class Record(msgspec.Struct, gc=False):
    """One answered request. `inputs` is JSON text, a list with one object for each row."""

    request_id: str
    time: datetime
    environment: str
    model: str
    version: int
    image: str
    inputs: msgspec.Raw
    outputs: list[float]
    latency: float
    key_id: str


class _Packed(msgspec.Struct):
    """`scoring_service.request_log.PackedRows`, which the shipper cannot import: it has an environment of its own."""

    rows: int
    columns: list[str]
    float64: bytes


_RECORD: Final = msgspec.json.Decoder(Record)
_PACKED: Final = msgspec.json.Decoder(_Packed)


def read(line: bytes) -> Record:
    """The record of a line; raises `msgspec.DecodeError` and `UnicodeDecodeError` if it is none."""
    record = _RECORD.decode(line)
    text = str(record.inputs, "utf-8")  # which raises if it is none: the decoder has not looked at it
    if text.startswith("{"):
        record.inputs = msgspec.Raw(msgspec.json.encode(_rows(_PACKED.decode(text))))
    return record


def _rows(packed: _Packed) -> list[dict[str, float]]:
    values, width = array("d"), len(packed.columns)
    if len(packed.float64) != packed.rows * width * values.itemsize:
        raise msgspec.DecodeError(f"{packed.rows} rows of {width} numbers are packed in {len(packed.float64)} bytes")
    values.frombytes(packed.float64)
    if sys.byteorder == "big":
        values.byteswap()
    starts = (row * width for row in range(packed.rows))
    return [dict(zip(packed.columns, values[start : start + width], strict=True)) for start in starts]
