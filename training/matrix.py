"""A frame of features as the scoring service sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from scoring_service.schema import Kind, Rows, Value


def rows(features: pd.DataFrame) -> Rows:
    """The rows, of shape (rows, features): float64 if all columns are numbers, else objects."""
    numeric = all(kind in ("number", "integer") for kind in kinds(features))
    return features.to_numpy(dtype=np.float64 if numeric else np.object_)


def json_rows(features: pd.DataFrame) -> list[list[Value | None]]:
    """The rows as a request has them: null where a value is missing."""
    return [[None if value != value else value for value in row] for row in rows(features).tolist()]


def kinds(features: pd.DataFrame) -> tuple[Kind, ...]:
    """The kind of each column, as the service's schema names it."""
    return tuple(_kind(features[name]) for name in features.columns)


def _kind(column: pd.Series) -> Kind:
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_integer_dtype(column):
        return "integer"
    return "number" if pd.api.types.is_float_dtype(column) else "string"
