"""Linear models: a sum of products, without any library but numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scoring_service.schema import Rows, Value


class Weights(msgspec.Struct, frozen=True):
    """Coefficients in the order of the schema."""

    coefficients: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)]
    intercept: float


class LinearModel:
    """intercept + row · coefficients, summed feature by feature.

    Law: one row alone and the same row within any batch give the same bits, because both add in the same order.
    """

    batched = False

    def __init__(self, weights: Weights) -> None:
        self._coefficients = weights.coefficients
        self._intercept = weights.intercept

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Predictions of shape (n,) for rows of shape (n, features)."""
        if rows.shape[1:] != (len(self._coefficients),):
            raise ValueError(f"rows of shape {rows.shape} do not fit {len(self._coefficients)} coefficients")
        total = np.full(len(rows), self._intercept)
        with np.errstate(over="ignore", invalid="ignore"):
            for coefficient, column in zip(self._coefficients, rows.astype(np.float64, copy=False).T, strict=True):
                total += coefficient * column
        return total

    def predict_one(self, row: Sequence[Value]) -> float:
        """The prediction for one row, without numpy: it would take longer to build the array."""
        total = self._intercept
        for coefficient, value in zip(self._coefficients, row, strict=True):
            total += coefficient * value  # type: ignore[operator]  # a linear model has no texts
        return total

    def unload(self) -> None:
        """Nothing is held."""

    def metadata(self) -> Mapping[str, str]:
        """The form."""
        return {"form": "weights"}
