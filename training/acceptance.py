"""Whether a form serves what was trained: read back from disk, and run by the very code that serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pandas as pd

from scoring_service.model import Model, load_model
from scoring_service.refusal import RowsRefusedError
from training import matrix

if TYPE_CHECKING:
    from recipes.recipe import Array, Estimator

DOUBLE: Final = 1e-9
"""Largest difference in double precision, relative to the prediction."""
SINGLE: Final = 1e-5
"""The same where a form predicts in single precision."""
_NOTHING: Final = 1e-12
_UNSEEN: Final = "\N{REPLACEMENT CHARACTER} never seen"
_LACKING: Final = 50
"""Rows of the holdout that are predicted again without a value, for each nullable feature."""


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
    """Rows that the holdout may lack, and what the estimator says to them: None if it refuses them."""

    told: str
    rows: pd.DataFrame
    expected: Array | None

    def holds(self, model: Model, tolerance: Tolerance) -> bool:
        """Whether a form answers as the estimator does; without a finite number it refuses, as the service does."""
        try:
            found = model.predict(matrix.rows(self.rows))
        except RowsRefusedError:
            return self.expected is None
        if self.expected is None:
            return not np.isfinite(found).any()
        return _close(found, self.expected, tolerance)


@dataclass(frozen=True)
class Acceptance:
    """What the estimator says to the holdout, to categories that it has never seen, and to rows that lack values."""

    features: pd.DataFrame
    expected: Array
    probes: tuple[_Probe, ...]

    @classmethod
    def of(cls, estimator: Estimator, features: pd.DataFrame, expected: Array, nullable: Sequence[str] = ()) -> Self:
        """What the fitted estimator's forms must reproduce."""
        asked = [*_unseen(features), *_lacking(features, nullable)]
        probes = tuple(_Probe(told, rows, _answers(estimator, rows)) for told, rows in asked)
        return cls(features, expected, probes)

    def tolerance(self, folder: Path, allowed: Sequence[float]) -> Tolerance:
        """The tightest of the `allowed` relative differences that the form keeps; raises `RejectedError`."""
        model = load_model(folder, list(self.features.columns))
        found = model.predict(matrix.rows(self.features))
        if _finite(found) is None:
            raise RejectedError("predictions are not finite")
        told: list[str] = []
        for tolerance in map(self._scaled, sorted(allowed)):
            if not _close(found, self.expected, tolerance):
                continue
            told = [probe.told for probe in self.probes if not probe.holds(model, tolerance)]
            if not told:
                return tolerance
        if told:
            raise RejectedError(f"{told[0]} answered in another way")
        raise RejectedError(f"predictions differ by up to {float(np.abs(found - self.expected).max())}")

    def _scaled(self, relative: float) -> Tolerance:
        """Sums in single precision are off by a share of their terms, however small the sum is."""
        size = float(np.abs(self.expected).mean())
        return Tolerance(relative, relative * size if relative > DOUBLE else _NOTHING)


def _close(found: Array, expected: Array, tolerance: Tolerance) -> bool:
    return np.allclose(found, expected, rtol=tolerance.relative, atol=tolerance.absolute)


def _finite(found: Array) -> Array | None:
    return found if np.isfinite(found).all() else None


def _answers(estimator: Estimator, rows: pd.DataFrame) -> Array | None:
    try:
        return _finite(np.asarray(estimator.predict(rows), dtype="float64").reshape(-1))
    except ValueError:
        return None


def _unseen(features: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The first row for each column of texts, with an unknown one there."""
    for name, kind in zip(features, matrix.kinds(features), strict=True):
        if kind == "string":
            yield "unknown categories are", _with(features.head(1), [str(name)], _UNSEEN)


def _lacking(features: pd.DataFrame, nullable: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """The first rows without each of the nullable columns in turn, and without all of them."""
    rows = features.head(_LACKING)
    for name in nullable:
        yield f"rows without {name!r} are", _with(rows, [name], np.nan)
    if len(nullable) > 1:
        yield "rows without any nullable feature are", _with(rows, list(nullable), np.nan)


def _with(rows: pd.DataFrame, names: list[str], value: float | str) -> pd.DataFrame:
    changed = rows.copy()
    changed[names] = value
    return changed
