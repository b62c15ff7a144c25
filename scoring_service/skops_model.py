"""scikit-learn estimators, restored by skops from a list of trusted types: what no other form can express."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

import numpy as np

from scoring_service.refusal import RowsRefusedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scoring_service.schema import Kind, Rows, Value

DTYPES: Final[Mapping[Kind, str]] = {"number": "float64", "integer": "int64", "boolean": "bool", "string": "str"}
"""What an estimator finds in a frame, by the kind of the column."""


class Estimator(Protocol):
    """What skops restores."""

    def predict(self, rows: object) -> NDArray[np.float64]:
        """One number per row."""
        ...


class SkopsModel:
    """Predicts with an estimator; `frame` has name and kind of the columns if it wants a frame.

    A call costs 100 µs and more, however few its rows are, so requests are predicted together.
    """

    batched = True

    def __init__(self, estimator: Estimator, frame: Mapping[str, Kind] | None) -> None:
        self._estimator = estimator
        self._dtypes = None if frame is None else [(name, DTYPES[kind]) for name, kind in frame.items()]

    @classmethod
    def load(cls, file: Path, trusted: Sequence[str], frame: Mapping[str, Kind] | None) -> Self:
        """Read an estimator; raises whatever skops raises if it is none, or holds a type that is not trusted."""
        from skops.io import load

        return cls(load(file, trusted=list(trusted)), frame)

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Predictions of shape (n,) for rows of shape (n, features)."""
        with warnings.catch_warnings():
            # Fitted on a frame and given an array, which has the same columns, scikit-learn misses their names.
            warnings.simplefilter("ignore", UserWarning)
            try:
                found = self._estimator.predict(self._input(rows))
            except ValueError as error:
                raise RowsRefusedError(str(error)) from error
        return np.asarray(found, dtype=np.float64).reshape(len(rows))

    def predict_one(self, row: Sequence[Value]) -> float:
        """The prediction for one row."""
        mixed = any(isinstance(value, str | bool) for value in row)
        return float(self.predict(np.array([row], dtype=object if mixed else np.float64))[0])

    def unload(self) -> None:
        """The estimator goes with the object."""

    def metadata(self) -> Mapping[str, str]:
        """The form and the library that predicts."""
        import sklearn

        return {"form": "skops", "scikit-learn": sklearn.__version__}

    def _input(self, rows: Rows) -> object:
        if self._dtypes is None:
            return rows
        import pandas as pd

        columns = enumerate(self._dtypes)
        return pd.DataFrame({name: pd.Series(rows[:, index], dtype=dtype) for index, (name, dtype) in columns})
