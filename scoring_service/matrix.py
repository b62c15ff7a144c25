"""Rows of numbers as one matrix: what is predicted, and logged, without a Python object for each number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final, overload

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scoring_service.rows import Row

MANY: Final = 16
"""Rows from which on a matrix is worth its making."""


class Matrix(Sequence["Row"]):
    """Rows as float64 values of shape (rows, features), in the order of the schema."""

    __slots__ = ("values",)

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.values = values

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Matrix:
        """The same rows, all of whose values are numbers."""
        if isinstance(rows, cls):
            return rows
        values = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * len(rows[0]))
        return cls(values.reshape(len(rows), -1))

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return Matrix(self.values[index])
        return tuple(self.values[index].tolist())
