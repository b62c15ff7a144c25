"""The columns that a fitted column transformer takes, as places in the frame that it was fitted on.

With places instead of names an estimator can be converted, and predict from arrays: an image then needs no pandas.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline


def positions(columns: Any, names: Sequence[str]) -> list[int]:  # noqa: ANN401  # all that scikit-learn takes
    """The places of columns that are given by name, place, mask or slice; raises `ValueError` for unknown names."""
    if isinstance(columns, slice):
        # A slice of names has its end in it, one of places has not.
        start, stop = (names.index(end) if isinstance(end, str) else end for end in (columns.start, columns.stop))
        return list(range(len(names))[start : stop + isinstance(columns.stop, str) if stop is not None else None])
    if isinstance(columns, str | int):
        columns = [columns]
    listed = list(columns)
    if listed and all(isinstance(item, bool | np.bool_) for item in listed):
        return [int(place) for place in np.flatnonzero(listed)]
    return [names.index(item) if isinstance(item, str) else range(len(names))[int(item)] for item in listed]


def by_position(estimator: object, names: Sequence[str]) -> object:
    """The estimator with the columns of a leading column transformer counted instead of named."""
    if not isinstance(estimator, Pipeline | ColumnTransformer):
        return estimator
    copied = copy.deepcopy(estimator)
    first = copied
    while isinstance(first, Pipeline):
        first = first.steps[0][1]
    if isinstance(first, ColumnTransformer):
        first.transformers_ = [(name, step, positions(columns, names)) for name, step, columns in first.transformers_]
    return copied
