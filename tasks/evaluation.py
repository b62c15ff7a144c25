"""The gate: candidate and champion on the same holdout rows, and a verdict with its numbers.

Both models predict the rows that neither has trained on. The gate resamples the paired differences
`champion loss - candidate loss` (the paired percentile bootstrap of Efron and Tibshirani, 1993, chapter 13) and
promotes if the lower one-sided bound of their mean exceeds the recipe's `min_improvement`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray
from prefect import task

from platforms.selection import current
from platforms.values import ModelVersion
from training import outputs

if TYPE_CHECKING:
    import pandas as pd

    from recipes.recipe import Gate, Recipe

Losses = NDArray[np.float64]

SEED: Final = 20260101
RESAMPLES: Final = 10_000
_BLOCK: Final = 4_000_000
"""Drawn indices that are in memory at once."""


@dataclass(frozen=True)
class Comparison:
    """Champion against candidate on the same rows: mean improvement and its bounds (None without a confidence)."""

    champion_version: int
    champion: float
    improvement: float
    lower_bound: float | None
    upper_bound: float | None


@dataclass(frozen=True)
class Verdict:
    """The gate's answer. Metric values are in the primary metric's unit.

    `comparison` is None for a first model, and if the champion has no prediction for the candidate's holdout.
    """

    decision: Literal["promote", "reject"]
    reason: str
    metric: str
    candidate: float
    comparison: Comparison | None
    confidence: float | None
    min_improvement: float
    rows: int
    dataset_version: int
    dataset_fingerprint: str
    earlier_decisions: int

    @property
    def promote(self) -> bool:
        """Whether the candidate shall become the next model version."""
        return self.decision == "promote"

    @property
    def champion_version(self) -> int | None:
        """The champion that the candidate was compared with."""
        return self.comparison.champion_version if self.comparison else None


def interval(improvements: Losses, confidence: float, seed: int = SEED) -> tuple[float, float]:
    """One-sided lower and upper bounds, each at `confidence`, of the mean of paired improvements of shape (rows,)."""
    rng, size = np.random.default_rng(seed), len(improvements)
    block = max(1, min(RESAMPLES, _BLOCK // size))
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, block):
        stop = min(start + block, RESAMPLES)
        means[start:stop] = improvements[rng.integers(0, size, (stop - start, size))].mean(axis=1)
    low, high = np.quantile(means, [1 - confidence, confidence])
    return float(low), float(high)


def decide(comparison: Comparison | None, gate: Gate) -> tuple[Literal["promote", "reject"], str]:
    """The rule: the lower bound, or without a confidence the plain improvement, must exceed `min_improvement`."""
    if comparison is None:
        return "promote", "first model: there is no champion to compare with"
    bound, what = comparison.improvement, "improvement"
    if comparison.lower_bound is not None:
        bound, what = comparison.lower_bound, f"lower {gate.confidence:.0%} bound of the improvement"
    if bound > gate.min_improvement:
        return "promote", f"the {what} is {bound:.4g}, more than {gate.min_improvement:g}"
    return "reject", f"the {what} is {bound:.4g}, not more than {gate.min_improvement:g}"


Judgement = tuple[Comparison | None, Literal["promote", "reject"], str]
"""What was compared, the decision, and why."""


@task
def judge(recipe: str, candidate: Path, tags: Mapping[str, str], champion: ModelVersion | None) -> Verdict:
    """Compare a training job's outputs with a champion; the first model, which has none, always passes.

    Where they cannot be compared, only a person's `force` replaces the champion.
    """
    from recipes import catalog

    what, holdout = catalog.load(recipe), _holdout(candidate)
    comparison, decision, reason = _judgement(what, champion, holdout)
    return Verdict(
        decision=decision,
        reason=reason,
        metric=what.primary.name,
        candidate=_primary(what, holdout, holdout[outputs.PREDICTION].to_numpy(np.float64)),
        comparison=comparison,
        confidence=what.gate.confidence,
        min_improvement=what.gate.min_improvement,
        rows=len(holdout),
        dataset_version=int(tags["dataset_version"]),
        dataset_fingerprint=tags["dataset_fingerprint"],
        earlier_decisions=_earlier_decisions(recipe, tags["dataset_fingerprint"]),
    )


def judge_again(model: ModelVersion) -> Verdict:
    """The verdict of a registered model against the champion of this moment, on the model's own holdout."""
    registry = current().registry
    return judge(
        model.recipe,
        registry.outputs(model.recipe, model.version),
        model.tags,
        registry.champion(model.recipe),
    )


def _judgement(recipe: Recipe, champion: ModelVersion | None, holdout: pd.DataFrame) -> Judgement:
    from scoring_service.refusal import RowsRefusedError

    try:
        comparison = _compare(recipe, champion, holdout) if champion else None
    except RowsRefusedError as error:
        return None, "reject", str(error)
    return comparison, *decide(comparison, recipe.gate)


def _compare(recipe: Recipe, champion: ModelVersion, holdout: pd.DataFrame) -> Comparison:
    truth = holdout[recipe.target].to_numpy(np.float64)
    new = holdout[outputs.PREDICTION].to_numpy(np.float64)
    old = predict(recipe.name, champion.version, holdout)
    improvements = np.asarray(recipe.loss(truth, old) - recipe.loss(truth, new), dtype=np.float64)
    confidence = recipe.gate.confidence
    low, high = interval(improvements, confidence) if confidence else (None, None)
    return Comparison(champion.version, _primary(recipe, holdout, old), float(improvements.mean()), low, high)


def predict(recipe: str, version: int, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Predictions of a registered model for a frame of rows, by the very code that serves it; shape (rows,).

    Raises `RowsRefusedError`, with the next step, if the model has none for these rows.
    """
    import json

    from scoring_service.refusal import RowsRefusedError

    folder = current().registry.outputs(recipe, version)
    result = json.loads((folder / outputs.RESULT).read_text())
    missing = [name for name in result["features"] if name not in rows]
    if missing:
        raise RowsRefusedError(
            f"champion {recipe} {version} needs the columns {missing}, which the recipe no longer has: "
            "promote the first model of the new schema with force=True"
        )
    try:
        return _served(folder, rows[result["features"]], result.get("nullable", ()))
    except RowsRefusedError as error:
        raise RowsRefusedError(
            f"champion {recipe} {version} has no prediction for rows of the holdout ({error}): "
            "promote a model that knows them with force=True"
        ) from error


def _served(folder: Path, rows: pd.DataFrame, nullable: Collection[str]) -> NDArray[np.float64]:
    """What the service would answer, which asks no model without values that it was never tried without."""
    from scoring_service.model import load_model
    from scoring_service.refusal import RowsRefusedError
    from training import matrix

    if lacking := [name for name in rows if rows[name].isna().any() and name not in nullable]:
        raise RowsRefusedError(f"it was never tried without {lacking}")
    found = load_model(folder / outputs.PORTABLE, rows.columns.tolist()).predict(matrix.rows(rows))
    if not np.isfinite(found).all():
        raise RowsRefusedError("it answers no finite number, as a model does that cannot do without a value")
    return found


def _holdout(folder: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(folder / outputs.PREDICTIONS)


def _primary(recipe: Recipe, holdout: pd.DataFrame, predictions: NDArray[np.float64]) -> float:
    return float(recipe.primary.function(holdout[recipe.target].to_numpy(np.float64), predictions))


def _earlier_decisions(recipe: str, fingerprint: str) -> int:
    """How often the gate has decided on this very dataset: each further look at a holdout tells less."""
    entries = current().journal.entries(recipe)
    return sum(entry.details.get("dataset_fingerprint") == fingerprint for entry in entries)


def numbers(verdict: Verdict) -> dict[str, object]:
    """The verdict as one level of plain values for the journal, artifacts and JSON output."""
    plain = asdict(verdict)
    comparison = plain.pop("comparison") or {field.name: None for field in fields(Comparison)}
    return plain | comparison
