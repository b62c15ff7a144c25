"""The limits of a schema's features, for whole matrices at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scoring_service.schema import Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Limits:
    """Inclusive limits by column; a feature without one takes every finite number."""

    def __init__(self, schema: Schema) -> None:
        low = [-np.inf if feature.minimum is None else feature.minimum for feature in schema.features]
        high = [np.inf if feature.maximum is None else feature.maximum for feature in schema.features]
        self._low, self._high = np.array(low, np.float64), np.array(high, np.float64)

    def hold(self, matrix: NDArray[np.float64]) -> bool:
        """Whether there are rows, and every number is finite and within the limits of its column."""
        within = np.isfinite(matrix) & (matrix >= self._low) & (matrix <= self._high)
        return len(matrix) > 0 and bool(within.all())
