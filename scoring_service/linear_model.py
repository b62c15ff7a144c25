"""Linear models: a sum of products, without any library but numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Annotated, Any

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
        self.predict_one = _sum_of_products(weights)
        """The prediction for one row; raises `ValueError` for one of another length."""

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Predictions of shape (n,) for rows of shape (n, features)."""
        if rows.shape[1:] != (len(self._coefficients),):
            raise ValueError(f"rows of shape {rows.shape} do not fit {len(self._coefficients)} coefficients")
        total = np.full(len(rows), self._intercept)
        with np.errstate(over="ignore", invalid="ignore"):
            for coefficient, column in zip(self._coefficients, rows.astype(np.float64, copy=False).T, strict=True):
                total += coefficient * column
        return total

    def unload(self) -> None:
        """Nothing is held."""

    def metadata(self) -> Mapping[str, str]:
        """The form."""
        return {"form": "weights"}


def _sum_of_products(weights: Weights) -> Callable[[Sequence[Value]], float]:
    """The sum for one row, written out: a loop over the features takes twice as long, to build an array four times.

    The code is made of nothing but numbers.
    """
    names = [f"x{index}" for index in range(len(weights.coefficients))]
    products = [f" + {weight!r} * {name}" for weight, name in zip(weights.coefficients, names, strict=True)]
    lines = [
        "def sum_of_products(row):",
        f"    {', '.join(names)}, = row",
        f"    total = {weights.intercept!r}",
        *[f"    total = total{''.join(products[first : first + 50])}" for first in range(0, len(products), 50)],
        "    return total",
    ]
    made: dict[str, Any] = {"inf": inf, "nan": nan}
    exec("\n".join(lines), made)
    return made["sum_of_products"]  # type: ignore[no-any-return]  # as it was just made
