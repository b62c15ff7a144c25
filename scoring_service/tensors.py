"""Tensors of the Open Inference Protocol, as JSON or as bytes, to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import numpy as np

from scoring_service.columns import order_of
from scoring_service.problem import ProblemError
from scoring_service.rows import Row, RowDecoder
from scoring_service.schema import Feature, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE: Final = "input"
"""The tensor of all features, shape [rows, features]."""
FLOATS: Final = {"FP64": "<f8", "FP32": "<f4", "FP16": "<f2"}
SIZES: Final = (1, 2, 4, 8)
INTEGERS: Final = {f"INT{8 * n}": f"<i{n}" for n in SIZES} | {f"UINT{8 * n}": f"<u{n}" for n in SIZES}
DATATYPES: Final = FLOATS | INTEGERS

Size = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Parameters = dict[str, bool | int | float | str | None]


class Tensor(msgspec.Struct, frozen=True):
    """One input. Its values are in `data`, or `binary_data_size` bytes of the body's tail."""

    name: str
    datatype: str
    shape: Annotated[list[Size], msgspec.Meta(min_length=1, max_length=2)]
    parameters: Parameters = {}
    data: msgspec.Raw = msgspec.Raw()


_Decoder = msgspec.json.Decoder[list[float]] | msgspec.json.Decoder[list[int]]
_RowDecoder = msgspec.json.Decoder[list[list[float]]] | msgspec.json.Decoder[list[list[int]]]
_FLAT: Final[Mapping[str, _Decoder]] = {
    "f": msgspec.json.Decoder(list[float]),
    "i": msgspec.json.Decoder(list[int]),
}
_NESTED: Final[Mapping[str, _RowDecoder]] = {
    "f": msgspec.json.Decoder(list[list[float]]),
    "i": msgspec.json.Decoder(list[list[int]]),
}


class TensorReader:
    """Reads the inputs of one schema: the tensor `input`, or one tensor per feature, in any order."""

    def __init__(self, schema: Schema, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._exact = RowDecoder(schema, max_rows)
        self._rounded = {name: RowDecoder(_rounded(schema, FLOATS[name]), max_rows) for name in ("FP32", "FP16")}

    def read(self, tensors: Sequence[Tensor], tail: memoryview) -> Sequence[Row]:
        """The checked rows; raises `ProblemError`."""
        arrays = []
        for tensor in tensors:
            array, tail = _array(tensor, tail)
            arrays.append(array)
        if tail:
            raise ProblemError(422, f"{len(tail)} bytes follow the last binary tensor")
        matrix = self._matrix(tensors, arrays)
        if len(matrix) > self._max_rows:
            raise ProblemError(413, f"{len(matrix)} rows, at most {self._max_rows} are allowed in one request")
        finite = bool(np.isfinite(matrix).all())
        rows = matrix.tolist()
        decoder = next((self._rounded[t.datatype] for t in tensors if t.datatype in self._rounded), self._exact)
        return decoder.check(rows, "`inputs`", finite)

    def _matrix(self, tensors: Sequence[Tensor], arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        names = [tensor.name for tensor in tensors]
        count = len(self._schema.features)
        if names == [WHOLE] and self._schema.names != [WHOLE]:
            if arrays[0].ndim != 2 or arrays[0].shape[1] != count:
                raise ProblemError(422, f"`{WHOLE}` has the shape {tensors[0].shape}, expected [rows, {count}]")
            return arrays[0]
        order = order_of(names, self._schema)
        if any(array.shape not in ((len(array),), (len(array), 1)) for array in arrays):
            raise ProblemError(422, "a tensor of one feature has the shape [rows] or [rows, 1]")
        columns = [arrays[index].reshape(-1) for index in order]
        if len({len(column) for column in columns}) > 1:
            raise ProblemError(422, f"the tensors have different lengths: {[tensor.shape for tensor in tensors]}")
        return np.stack(columns, axis=1)


def _array(tensor: Tensor, tail: memoryview) -> tuple[NDArray[np.float64], memoryview]:
    """The values of a tensor in its shape, and what is left of the tail."""
    dtype = DATATYPES.get(tensor.datatype)
    if dtype is None:
        raise ProblemError(422, f"`{tensor.name}` is {tensor.datatype}, expected one of {', '.join(DATATYPES)}")
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        return _from_json(tensor, "i" if tensor.datatype in INTEGERS else "f"), tail
    expected = prod(tensor.shape) * np.dtype(dtype).itemsize
    if size != expected or len(tail) < expected:
        raise ProblemError(
            422,
            f"`{tensor.name}` of shape {tensor.shape} and {tensor.datatype} has {expected} bytes; "
            f"`binary_data_size` is {size}, {len(tail)} bytes are there",
        )
    values = np.frombuffer(tail[:expected], dtype).astype(np.float64)
    return values.reshape(tensor.shape), tail[expected:]


def _from_json(tensor: Tensor, kind: str) -> NDArray[np.float64]:
    if not bytes(tensor.data):
        raise ProblemError(422, f"`{tensor.name}` has neither `data` nor `binary_data_size`")
    try:
        values = _flat(tensor, kind)
        array = np.array(values, np.float64)
    except (msgspec.DecodeError, OverflowError, RecursionError) as error:
        raise ProblemError(422, f"`data` of `{tensor.name}` are no {tensor.datatype} numbers: {error}") from None
    if len(values) != prod(tensor.shape):
        raise ProblemError(422, f"`{tensor.name}` has {len(values)} numbers, its shape {tensor.shape} another count")
    return array.reshape(tensor.shape)


def _flat(tensor: Tensor, kind: str) -> Sequence[float]:
    try:
        return _FLAT[kind].decode(tensor.data)
    except msgspec.ValidationError:
        rows = _NESTED[kind].decode(tensor.data)
    if len(rows) != tensor.shape[0] or {len(row) for row in rows} - {prod(tensor.shape[1:])}:
        raise ProblemError(422, f"the nesting of `{tensor.name}` is not its shape {tensor.shape}")
    return [value for row in rows for value in row]


def _rounded(schema: Schema, dtype: str) -> Schema:
    """The schema with limits wide enough for the limits themselves, rounded to the datatype."""
    return msgspec.structs.replace(schema, features=tuple(_wider(feature, dtype) for feature in schema.features))


def _wider(feature: Feature, dtype: str) -> Feature:
    low, high = feature.minimum, feature.maximum
    with np.errstate(over="ignore"):
        return msgspec.structs.replace(
            feature,
            minimum=low if low is None else min(low, float(np.dtype(dtype).type(low))),
            maximum=high if high is None else max(high, float(np.dtype(dtype).type(high))),
        )
