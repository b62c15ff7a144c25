"""The limits of a schema's features, for whole matrices at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scoring_service.schema import Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Limits:
    """Inclusive limits and listed values by column; a feature without either takes every finite number.

    No feature of the schema is nullable: `of` makes the limits of any schema.
    """

    def __init__(self, schema: Schema) -> None:
        low = [-np.inf if feature.minimum is None else feature.minimum for feature in schema.features]
        high = [np.inf if feature.maximum is None else feature.maximum for feature in schema.features]
        self._low, self._high = np.array(low, np.float64), np.array(high, np.float64)
        features = enumerate(schema.features)
        self._listed = [(index, list(feature.values)) for index, feature in features if feature.values is not None]

    @classmethod
    def of(cls, schema: Schema) -> Limits:
        """The limits of a schema; only one with nullable features looks for missing values."""
        return (NullableLimits if schema.nullable else Limits)(schema)

    def hold(self, matrix: NDArray[np.float64]) -> bool:
        """Whether there are rows, and every number is finite and one that its column takes."""
        within = np.isfinite(matrix) & (matrix >= self._low) & (matrix <= self._high)
        if len(matrix) == 0 or not within.all():
            return False
        return all(np.isin(matrix[:, index], values).all() for index, values in self._listed)


class NullableLimits(Limits):
    """Limits of a schema with nullable features: NaN, where it is a missing value, is held against none of them."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self._nullable = np.array([feature.nullable for feature in schema.features])
        listed = [feature.values[0] if feature.nullable and feature.values else 0.0 for feature in schema.features]
        self._allowed = np.clip(np.array(listed, np.float64), self._low, self._high)

    def hold(self, matrix: NDArray[np.float64]) -> bool:
        """As `Limits.hold`, as if missing values were numbers that their columns take."""
        return super().hold(np.where(self._nullable & np.isnan(matrix), self._allowed, matrix))
