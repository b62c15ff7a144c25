"""Fingerprints: what rows a table holds, whatever their order and files.

Each row is hashed twice with independent constants, and the hashes are added modulo 2**64: the sum does not depend on
the order, counts repeated rows, and grows batch by batch. Law: `of(a) + of(b) == of(a and b together)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from platforms.errors import PlatformError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    Hashes = npt.NDArray[np.uint64]

_LANES: Final = ((0x9E3779B97F4A7C15, "ridgeline-lane-1"), (0xD1B54A32D192ED03, "ridgeline-lane-2"))
_WORD: Final = 2**64


@dataclass(frozen=True)
class Fingerprint:
    """The number of rows and the two sums of their hashes."""

    rows: int = 0
    first: int = 0
    second: int = 0

    def __add__(self, other: Fingerprint) -> Fingerprint:
        first, second = (self.first + other.first) % _WORD, (self.second + other.second) % _WORD
        return Fingerprint(self.rows + other.rows, first, second)

    def __str__(self) -> str:
        return f"{self.first:016x}{self.second:016x}"

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Self:
        """The fingerprint of a batch; columns whose names begin with `_` do not count.

        Raises:
            PlatformError: A column is neither number, truth value, text nor time.
        """
        names = _counted(batch)
        sums = [int(np.sum(_lane(batch, names, seed, key), dtype="u8")) for seed, key in _LANES]
        return cls(batch.num_rows, *sums)


def row_hashes(batch: pa.RecordBatch) -> Hashes:
    """64 bits for each row: equal rows have equal ones. Raises as `Fingerprint.of`."""
    return _lane(batch, _counted(batch), *_LANES[0])


def _counted(batch: pa.RecordBatch) -> list[str]:
    return sorted(name for name in batch.schema.names if not name.startswith("_"))


def _lane(batch: pa.RecordBatch, names: list[str], seed: int, key: str) -> Hashes:
    total = np.full(batch.num_rows, seed, dtype="u8")
    for name in names:
        total = _mixed(total ^ _mixed(_words(name, batch.column(name), key) + np.uint64(seed)))
    return total


def _words(name: str, column: pa.Array, key: str) -> Hashes:
    """One word per value: equal values of one type give equal words."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_floating(kind):
        values: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype("f8") + 0.0
        values[np.isnan(values)] = np.nan
        return values.view("u8")
    if pa.types.is_date32(kind):
        # There is no cast to 64 bits at once.
        column, kind = column.cast(pa.int32()), pa.int32()
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind):
        words = column.cast(pa.int64() if not pa.types.is_unsigned_integer(kind) else pa.uint64()).fill_null(0)
        return _marked(words.to_numpy(zero_copy_only=False).astype("u8"), column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return _marked(_text_words(column, key), column)
    raise PlatformError(f"column {name!r} has type {kind}: a dataset holds numbers, truth values, texts and times")


def _text_words(column: pa.Array, key: str) -> Hashes:
    from pandas.util import hash_array

    texts = np.array(["" if text is None else text for text in column.to_pylist()], dtype=object)
    return hash_array(texts, hash_key=key, categorize=True)


def _marked(words: Hashes, column: pa.Array) -> Hashes:
    missing = column.is_null().to_numpy(zero_copy_only=False)
    return np.where(missing, np.uint64(0x6E756C6C6E756C6C), words)


def _mixed(words: Hashes) -> Hashes:
    """The finaliser of splitmix64, which spreads every bit over all."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
