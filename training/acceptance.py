"""Whether a form serves what was trained: read back from disk, and run by the very code that serves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

import numpy as np
import pandas as pd

from scoring_service.model import Model, load_model
from training import matrix, probes

if TYPE_CHECKING:
    from recipes.recipe import Array, Estimator
    from scoring_service.schema import Feature, Rows

    Table = TypeVar("Table", pd.DataFrame, Rows)

DOUBLE: Final = 1e-9
"""Largest difference in double precision, relative to the prediction."""
SINGLE: Final = 1e-5
"""The same where a form predicts in single precision."""
_NOTHING: Final = 1e-12
_ALONE: Final = 8
"""Rows of the holdout that are also predicted one by one."""


class RejectedError(Exception):
    """The form cannot serve; the message says why."""


@dataclass(frozen=True)
class Tolerance:
    """How much a served prediction may differ from the estimator's: `absolute + relative * abs(prediction)`."""

    relative: float
    absolute: float

    def to_json(self) -> dict[str, float]:
        """Both numbers by name."""
        return asdict(self)


@dataclass(frozen=True)
class _Probe:
    """Rows that the holdout may lack, and what the estimator says to each: NaN if it refuses it."""

    rows: probes.Rows
    expected: Array

    def odd(self, found: Array, tolerance: Tolerance) -> str | None:
        """What is said of the first row that is answered in another way; without a finite number it is refused."""
        same = np.isclose(found, self.expected, tolerance.relative, tolerance.absolute, equal_nan=True)
        return None if same.all() else self.rows.told[int(np.argmin(same))]


@dataclass(frozen=True)
class Acceptance:
    """What the estimator says to the holdout, and to rows like those that requests may send beside (`probes`)."""

    features: pd.DataFrame
    expected: Array
    asked: tuple[_Probe, ...]

    @classmethod
    def of(
        cls, estimator: Estimator, features: pd.DataFrame, expected: Array, declared: Sequence[Feature] = ()
    ) -> Self:
        """What the fitted estimator's forms must reproduce; `declared` is what requests may send."""
        with _silence():
            asked = [_Probe(rows, _answers(estimator.predict, rows.frame)) for rows in probes.of(features, declared)]
        return cls(features, expected, tuple(asked))

    def tolerance(self, folder: Path, allowed: Sequence[float]) -> Tolerance:
        """The tightest of the `allowed` relative differences that the form keeps; raises `RejectedError`."""
        model = load_model(folder, list(self.features.columns))
        with _silence():
            found = model.predict(matrix.rows(self.features))
            if not np.isfinite(found).all():
                raise RejectedError("predictions are not finite")
            alone = self._alone(model)
            answers = [_answers(model.predict, matrix.rows(probe.rows.frame)) for probe in self.asked]
        told: str | None = None
        for tolerance in map(self._scaled, sorted(allowed)):
            if not _close(found, self.expected, tolerance):
                continue
            told = self._told(alone, answers, tolerance)
            if told is None:
                return tolerance
        if told is not None:
            raise RejectedError(f"{told} answered in another way")
        raise RejectedError(f"predictions differ by up to {float(np.abs(found - self.expected).max())}")

    def _alone(self, model: Model) -> Array:
        """A request of one row takes another way through the service, and maybe through a library of algebra."""
        rows = matrix.rows(self.features.head(_ALONE)).tolist()
        return np.array([model.predict_one(row) for row in rows], dtype=np.float64)

    def _told(self, alone: Array, answers: Sequence[Array], tolerance: Tolerance) -> str | None:
        if not _close(alone, self.expected[:_ALONE], tolerance):
            return "rows that come alone are"
        odd = (probe.odd(found, tolerance) for probe, found in zip(self.asked, answers, strict=True))
        return next((told for told in odd if told is not None), None)

    def _scaled(self, relative: float) -> Tolerance:
        """Sums in single precision are off by a share of their terms, however small the sum is."""
        size = float(np.abs(self.expected).mean())
        return Tolerance(relative, relative * size if relative > DOUBLE else _NOTHING)


@contextmanager
def _silence() -> Iterator[None]:
    """Numbers that nobody sends overflow on their way."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _close(found: Array, expected: Array, tolerance: Tolerance) -> bool:
    return np.allclose(found, expected, rtol=tolerance.relative, atol=tolerance.absolute)


def _answers(predict: Callable[[Table], Array], rows: Table) -> Array:
    """One number per row: NaN where there is no finite one, or where it is refused, whatever with."""
    try:
        found = np.asarray(predict(rows), dtype=np.float64).reshape(len(rows))
    except Exception:
        if len(rows) == 1:
            return np.array([np.nan])
        middle = len(rows) // 2
        return np.concatenate([_answers(predict, rows[:middle]), _answers(predict, rows[middle:])])
    return np.where(np.isfinite(found), found, np.nan)
