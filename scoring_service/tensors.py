"""Tensors of the Open Inference Protocol, as JSON or as bytes, to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, prod
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import numpy as np

from scoring_service.columns import order_of
from scoring_service.limits import Limits
from scoring_service.matrix import MANY, Matrix
from scoring_service.problem import ProblemError
from scoring_service.rows import Row, RowDecoder
from scoring_service.schema import Feature, Kind, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[Any]

WHOLE: Final = "input"
"""The tensor of all features, shape [rows, features]."""
FLOATS: Final = {"FP64": "<f8", "FP32": "<f4", "FP16": "<f2"}
SIZES: Final = (1, 2, 4, 8)
INTEGERS: Final = {f"INT{8 * n}": f"<i{n}" for n in SIZES} | {f"UINT{8 * n}": f"<u{n}" for n in SIZES}
TEXT: Final = "BYTES"
TRUTH: Final = {"BOOL": "?"}
NUMBER_TYPES: Final = FLOATS | INTEGERS
DATATYPES: Final = NUMBER_TYPES | TRUTH
COLUMN_TYPES: Final[Mapping[Kind, str]] = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "string": TEXT}
"""What the tensor of one feature is, by the feature's type."""

Rows = tuple[Sequence[Any], bool, bool]
Size = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Parameters = dict[str, bool | int | float | str | None]


class Tensor(msgspec.Struct, frozen=True):
    """One input. Its values are in `data`, or `binary_data_size` bytes of the body's tail."""

    name: str
    datatype: str
    shape: Annotated[list[Size], msgspec.Meta(min_length=1, max_length=2)]
    parameters: Parameters = {}
    data: msgspec.Raw = msgspec.Raw()


_KINDS: Final[Mapping[str, Any]] = {"f": float, "i": int, "b": bool, "O": str, "nullable": float | None}
"""What JSON has, by numpy's kind of the values; `nullable` are floats of which some may be missing."""
_FLAT: Final[Mapping[str, msgspec.json.Decoder[list[Any]]]] = {
    kind: msgspec.json.Decoder(list[value])  # type: ignore[valid-type]  # a type from the table
    for kind, value in _KINDS.items()
}
_NESTED: Final[Mapping[str, msgspec.json.Decoder[list[list[Any]]]]] = {
    kind: msgspec.json.Decoder(list[list[value]])  # type: ignore[valid-type]  # a type from the table
    for kind, value in _KINDS.items()
}


class TensorReader:
    """Reads the inputs of one schema: the tensor `input`, or one tensor per feature, in any order."""

    def __init__(self, schema: Schema, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._takes_whole = schema.numeric and schema.names != [WHOLE]
        self._real = schema.real
        self._nullable = schema.nullable | ({WHOLE} if schema.nullable and self._takes_whole else set())
        self._exact = RowDecoder.of(schema, max_rows)
        single = _rounded(schema, FLOATS["FP32"])
        wider = {"FP16": _rounded(single, FLOATS["FP16"]), "FP32": single}
        self._rounded = {name: RowDecoder.of(each, max_rows) for name, each in wider.items()}
        self._limits = {name: Limits.of(each) for name, each in {"FP64": schema, **wider}.items()}

    def read(self, tensors: Sequence[Tensor], tail: memoryview) -> Sequence[Row]:
        """The checked rows; raises `ProblemError`."""
        arrays = []
        for tensor in tensors:
            array, tail = _array(tensor, tail, tensor.name in self._nullable)
            arrays.append(array)
        if tail:
            raise ProblemError(422, f"{len(tail)} bytes follow the last binary tensor")
        given = {tensor.datatype for tensor in tensors}
        precision = next((name for name in self._rounded if name in given), "FP64")
        rows, finite, good = self._rows(tensors, arrays, self._limits[precision])
        if len(rows) > self._max_rows:
            raise ProblemError(413, f"{len(rows)} rows, at most {self._max_rows} are allowed in one request")
        if good:
            return rows
        return self._rounded.get(precision, self._exact).check([*rows], "`inputs`", finite)

    def _rows(self, tensors: Sequence[Tensor], arrays: Sequence[Values], limits: Limits) -> Rows:
        """The rows as they are, whether all numbers in them are finite, and whether they are checked already."""
        count = len(self._schema.features)
        if self._takes_whole and len(tensors) == 1 and tensors[0].name == WHOLE:
            if arrays[0].ndim != 2 or arrays[0].shape[1] != count:
                raise ProblemError(422, f"`{WHOLE}` has the shape {tensors[0].shape}, expected [rows, {count}]")
            if self._real:
                return self._listed(arrays[0], tensors, limits)
            return self._mixed(list(arrays[0].T))
        columns = self._columns(tensors, arrays)
        return self._listed(np.stack(columns, axis=1), tensors, limits) if self._real else self._mixed(columns)

    def _listed(self, matrix: Values, tensors: Sequence[Tensor], limits: Limits) -> Rows:
        """Rows of numbers."""
        told = sorted({tensor.datatype for tensor in tensors} - NUMBER_TYPES.keys())
        if told:
            raise ProblemError(422, f"the inputs are {', '.join(told)}, expected one of {', '.join(NUMBER_TYPES)}")
        matrix = matrix.astype(np.float64, copy=False)
        if not limits.hold(matrix):
            return self._mixed(list(matrix.T))
        return Matrix(matrix) if len(matrix) >= MANY else matrix.tolist(), True, True

    def _mixed(self, columns: Sequence[Values]) -> Rows:
        pairs = list(zip(columns, self._schema.features, strict=True))
        finite = all(_is_finite(column, feature) for column, feature in pairs)
        values = [_as_wanted(column, feature) for column, feature in pairs]
        return [list(row) for row in zip(*values, strict=True)], finite, False

    def _columns(self, tensors: Sequence[Tensor], arrays: Sequence[Values]) -> list[Values]:
        order = order_of([tensor.name for tensor in tensors], self._schema)
        if any(array.shape not in ((len(array),), (len(array), 1)) for array in arrays):
            raise ProblemError(422, "a tensor of one feature has the shape [rows] or [rows, 1]")
        columns = [arrays[index].reshape(-1) for index in order]
        if len({len(column) for column in columns}) > 1:
            raise ProblemError(422, f"the tensors have different lengths: {[tensor.shape for tensor in tensors]}")
        return columns


def _is_finite(column: Values, feature: Feature) -> bool:
    """Whether every number is finite, or missing where it may be."""
    if column.dtype.kind != "f" or np.isfinite(column).all():
        return True
    return feature.nullable and not np.isinf(column).any()


def _as_wanted(column: Values, feature: Feature) -> list[Any]:
    """The values for the row decoder: whole numbers where the feature wants integers, numbers where it wants any.

    None is a missing one.
    """
    if column.dtype.kind == "f" and feature.type == "integer":
        column = column.astype(np.float64, copy=False)  # half precision has no number as large as the limit
        if bool((np.abs(column) < 2**53).all()) and bool((np.mod(column, 1) == 0).all()):
            column = column.astype(np.int64)
    values: list[Any] = column.tolist()
    return [None if value != value else value for value in values] if feature.nullable else values


def _array(tensor: Tensor, tail: memoryview, nullable: bool) -> tuple[Values, memoryview]:
    """The values of a tensor in its shape, NaN where JSON has a null, and what is left of the tail."""
    dtype = DATATYPES.get(tensor.datatype)
    if dtype is None and tensor.datatype != TEXT:
        known = ", ".join((*DATATYPES, TEXT))
        raise ProblemError(422, f"`{tensor.name}` is {tensor.datatype}, expected one of {known}")
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        return _from_json(tensor, np.dtype(dtype or object), nullable), tail
    if dtype is None:
        return _texts(tensor, size, tail)
    expected = prod(tensor.shape) * np.dtype(dtype).itemsize
    if size != expected or len(tail) < expected:
        raise ProblemError(
            422,
            f"`{tensor.name}` of shape {tensor.shape} and {tensor.datatype} has {expected} bytes; "
            f"`binary_data_size` is {size}, {len(tail)} bytes are there",
        )
    return np.frombuffer(tail[:expected], dtype).reshape(tensor.shape), tail[expected:]


def _texts(tensor: Tensor, size: object, tail: memoryview) -> tuple[Values, memoryview]:
    """Texts of a tail: four bytes of length before each, little endian."""
    if not isinstance(size, int) or not 0 <= size <= len(tail):
        raise ProblemError(422, f"`binary_data_size` of `{tensor.name}` is {size}, {len(tail)} bytes are there")
    content, start = bytes(tail[:size]), 0
    texts: list[str] = []
    while start < size:
        end = start + 4 + int.from_bytes(content[start : start + 4], "little")
        if end > size:
            raise ProblemError(422, f"text {len(texts)} of `{tensor.name}` is longer than the tensor")
        texts.append(_text(content[start + 4 : end], tensor))
        start = end
    return _shaped(texts, np.dtype(object), tensor), tail[size:]


def _text(content: bytes, tensor: Tensor) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ProblemError(422, f"`{tensor.name}` has a text that is not UTF-8: {error}") from None


def _from_json(tensor: Tensor, dtype: np.dtype[Any], nullable: bool) -> Values:
    if not bytes(tensor.data):
        raise ProblemError(422, f"`{tensor.name}` has neither `data` nor `binary_data_size`")
    kind = "i" if dtype.kind == "u" else dtype.kind
    # Numbers of JSON keep the precision that they are written with.
    dtype = np.dtype(np.float64) if kind == "f" else dtype
    try:
        return _shaped(_flat(tensor, "nullable" if nullable and kind == "f" else kind), dtype, tensor)
    except (msgspec.DecodeError, OverflowError, RecursionError) as error:
        raise ProblemError(422, f"`data` of `{tensor.name}` are no {tensor.datatype} values: {error}") from None


def _shaped(values: Sequence[object], dtype: np.dtype[Any], tensor: Tensor) -> Values:
    if len(values) != prod(tensor.shape):
        raise ProblemError(422, f"`{tensor.name}` has {len(values)} values, its shape {tensor.shape} another count")
    return np.array(values, dtype).reshape(tensor.shape)


def _flat(tensor: Tensor, kind: str) -> Sequence[object]:
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
    return msgspec.structs.replace(
        feature,
        minimum=low if low is None else min(low, _as_written(low, dtype)),
        maximum=high if high is None else max(high, _as_written(high, dtype)),
    )


def _as_written(limit: float, dtype: str) -> float:
    """The limit as the datatype writes it; itself if the datatype has no such number: one too large, or next to 0."""
    with np.errstate(over="ignore"):
        written = float(np.dtype(dtype).type(limit))
    return written if isfinite(written) and (written or not limit) else limit
