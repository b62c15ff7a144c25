"""Whether a form serves what was trained: read back from disk, and run by the very code that serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pandas as pd

from scoring_service.model import load_model
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
class Acceptance:
    """What the estimator says to the holdout, and to categories that it has never seen (None if it refuses them)."""

    features: pd.DataFrame
    expected: Array
    unseen: pd.DataFrame
    unseen_expected: Array | None

    @classmethod
    def of(cls, estimator: Estimator, features: pd.DataFrame, expected: Array) -> Self:
        """What the fitted estimator's forms must reproduce."""
        unseen = _unseen(features)
        try:
            answers = (
                np.asarray(estimator.predict(unseen), dtype="float64").reshape(-1) if len(unseen) else np.empty(0)
            )
        except ValueError:
            return cls(features, expected, unseen, None)
        return cls(features, expected, unseen, answers)

    def tolerance(self, folder: Path, allowed: Sequence[float]) -> Tolerance:
        """The tightest of the `allowed` relative differences that the form keeps; raises `RejectedError`."""
        model = load_model(folder, list(self.features.columns))
        found = model.predict(matrix.rows(self.features))
        answers = self._unseen_answers(folder)
        for relative in sorted(allowed):
            tolerance = self._scaled(relative)
            if _close(found, self.expected, tolerance) and self._follows(answers, tolerance):
                return tolerance
        differ = float(np.abs(found - self.expected).max())
        if _close(found, self.expected, self._scaled(max(allowed))):
            raise RejectedError("unknown categories are answered in another way")
        raise RejectedError(f"predictions differ by up to {differ}")

    def _unseen_answers(self, folder: Path) -> Array | None:
        if not len(self.unseen):
            return np.empty(0)
        try:
            return load_model(folder, list(self.features.columns)).predict(matrix.rows(self.unseen))
        except RowsRefusedError:
            return None

    def _follows(self, answers: Array | None, tolerance: Tolerance) -> bool:
        if answers is None or self.unseen_expected is None:
            return answers is None and self.unseen_expected is None
        return _close(answers, self.unseen_expected, tolerance)

    def _scaled(self, relative: float) -> Tolerance:
        """Sums in single precision are off by a share of their terms, however small the sum is."""
        size = float(np.abs(self.expected).mean())
        return Tolerance(relative, relative * size if relative > DOUBLE else _NOTHING)


def _close(found: Array, expected: Array, tolerance: Tolerance) -> bool:
    return np.allclose(found, expected, rtol=tolerance.relative, atol=tolerance.absolute)


def _unseen(features: pd.DataFrame) -> pd.DataFrame:
    """The first row once for each column of texts, which holds an unknown one there."""
    texts = [name for name, kind in zip(features, matrix.kinds(features), strict=True) if kind == "string"]
    rows = features.iloc[[0] * len(texts)].reset_index(drop=True)
    for index, name in enumerate(texts):
        rows.loc[index, name] = _UNSEEN
    return rows
