"""One column of a batch, read as the type that the schema wants: its values, and which are missing or unreadable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import numpy.typing as npt
    from pandera.pandas import Column

    from recipes.findings import Mask

    Values = npt.NDArray[Any]

Kind = Literal["number", "integer", "boolean", "string"]
"""What a column holds, in the words of JSON schema."""
_TRUE: Final = "true", "True", "TRUE", "1"
_FALSE: Final = "false", "False", "FALSE", "0"
_EMPTY: Final = "", "NA", "N/A", "#N/A", "#NA", "n/a", "NULL", "null", "NaN", "nan", "-NaN", "-nan", "None"
"""How a CSV spells a missing number; a missing text is an empty cell only."""
_WHOLE: Final = r"^(-?[0-9]+)\.0*$"
"""How a CSV spells an integer that was a float once."""
_EXACT: Final = 2**53
"""From here on not every integer is a float."""
_KEPT: Final[Mapping[str, np.dtype[Any]]] = {
    "uint8": np.dtype("i2"),
    "uint16": np.dtype("i4"),
    "uint32": np.dtype("i8"),
    "uint64": np.dtype("i8"),
    "float16": np.dtype("f4"),
}
"""As what a table keeps numbers that Delta has no type for."""
_KEEPABLE: Final = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_timestamp,
    pa.types.is_date32,
    pa.types.is_null,
)
_NO_NUMBERS: Final = np.empty(0, dtype=bool)


@dataclass(frozen=True)
class Read:
    """The values of one column in one chunk; what is missing or unreadable has any value in `values`.

    Texts and truth values have nothing in `values`.
    """

    column: pa.Array
    values: Values
    missing: Mask
    unreadable: Mask

    @property
    def usable(self) -> Mask:
        """Where `values` holds what the file says."""
        return ~(self.missing | self.unreadable)


def number_type(column: Column) -> np.dtype[Any] | None:
    """The numpy type of a numeric column of the schema, or None for any other."""
    name = str(column.dtype)
    return np.dtype(name) if name.rstrip("0123456789") in ("float", "int", "uint") else None


def is_text(column: Column) -> bool:
    """Whether the schema wants text."""
    return str(column.dtype) in ("str", "string", "string[python]", "string[pyarrow]")


def is_truth(column: Column) -> bool:
    """Whether the schema wants truth values."""
    return str(column.dtype) == "bool"


def kind(column: Column) -> Kind | None:
    """What the schema wants, or None for anything else."""
    number = number_type(column)
    if number is not None:
        return "number" if number.kind == "f" else "integer"
    if is_truth(column):
        return "boolean"
    return "string" if is_text(column) else None


def read_numbers(column: pa.Array, dtype: np.dtype[Any], spelt: bool) -> Read:
    """Read a column as numbers; `spelt` columns come from a CSV, where a number is a text."""
    column = plain(column)
    if spelt:
        column, missing = _unspelt(column, pa.float64() if dtype.kind == "f" else pa.int64())
    elif _is_number(column.type):
        missing = _mask(column.is_null(nan_is_null=True))
    else:
        missing = _mask(column.is_null())
        return Read(
            pa.nulls(len(column), pa.from_numpy_dtype(dtype)), np.zeros(len(column), dtype), missing, ~missing
        )
    if dtype.kind == "f":
        values = _floats(column)
        return _numbers(values.astype(dtype, copy=False), missing, ~missing & np.isnan(values))
    if pa.types.is_integer(column.type):
        whole = column.fill_null(0).to_numpy(zero_copy_only=False)
        return _whole(whole, missing, np.zeros(len(whole), dtype=bool), dtype)
    values = _floats(column)
    with np.errstate(invalid="ignore"):
        # Beyond the exact ones a float may stand for another integer than the file's.
        broken = ~missing & ~((np.mod(values, 1) == 0) & (np.abs(values) < _EXACT))
    return _whole(values, missing, broken, dtype)


def read_text(column: pa.Array, spelt: bool) -> Read:
    """Read a column as text."""
    column = plain(column)
    nothing = np.zeros(len(column), dtype=bool)
    missing = _mask(column.is_null())
    if not (pa.types.is_string(column.type) or pa.types.is_null(column.type)):
        return Read(pa.nulls(len(column), pa.string()), _NO_NUMBERS, missing, ~missing)
    column = column.cast(pa.string())
    if spelt:
        column = pc.if_else(pc.equal(column, ""), None, column)
        missing = _mask(column.is_null())
    return Read(column, _NO_NUMBERS, missing, nothing)


def read_truth(column: pa.Array, spelt: bool) -> Read:
    """Read a column as truth values; a CSV spells them as words, or as 0 and 1."""
    column = plain(column)
    if spelt:
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.is_in(column, pa.array(_EMPTY)), None, column)
    missing = _mask(column.is_null())
    if spelt:
        known = pc.is_in(column, pa.array(_TRUE + _FALSE))
        column = pc.if_else(known, pc.is_in(column, pa.array(_TRUE)), pa.scalar(None, pa.bool_()))
    elif not (pa.types.is_boolean(column.type) or pa.types.is_null(column.type)):
        column = pa.nulls(len(column), pa.bool_())
    column = column.cast(pa.bool_())
    return Read(column, _NO_NUMBERS, missing, ~missing & _mask(column.is_null()))


def plain(column: pa.Array) -> pa.Array:
    """Any other column as the table keeps it: no dictionaries, times in microseconds."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def keepable(column: pa.Array) -> pa.Array | None:
    """A column as a table can keep it; None if it cannot, as the time of a day or a number too large."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz:
        return column.cast(pa.timestamp("us", "UTC"))
    if pa.types.is_unsigned_integer(kind) or pa.types.is_float16(kind):
        try:
            return column.cast(pa.from_numpy_dtype(_KEPT[np.dtype(kind.to_pandas_dtype()).name]))
        except pa.ArrowInvalid:
            return None
    return column if any(test(kind) for test in _KEEPABLE) else None


def _is_number(kind: pa.DataType) -> bool:
    tests = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_null)
    return any(test(kind) for test in tests)


def _unspelt(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, Mask]:
    """Texts of a CSV as numbers, NaN where they are none, and which are missing."""
    try:
        numbers = column.cast(kind)
        return numbers, _mask(numbers.is_null(nan_is_null=True))
    except pa.ArrowInvalid:
        column = pc.utf8_trim_whitespace(column)
    column = pc.if_else(pc.is_in(column, pa.array(_EMPTY)), None, column)
    missing = _mask(column.is_null())
    try:
        return pc.replace_substring_regex(column, _WHOLE, r"\1").cast(kind), missing
    except pa.ArrowInvalid:
        numbers = pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(dtype="f8", na_value=np.nan)
        return pa.array(numbers), missing


def _floats(column: pa.Array) -> Values:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _numbers(values: Values, missing: Mask, unreadable: Mask) -> Read:
    return Read(pa.array(values, mask=missing) if missing.any() else pa.array(values), values, missing, unreadable)


def _whole(values: Values, missing: Mask, broken: Mask, dtype: np.dtype[Any]) -> Read:
    limits = np.iinfo(dtype)
    most = min(limits.max, np.iinfo("i8").max)
    unreadable = ~missing & (broken | (values < limits.min) | (values > most))
    return _numbers(np.where(missing | unreadable, 0, values).astype(dtype), missing, unreadable)


def _mask(array: pa.Array) -> Mask:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=bool)
