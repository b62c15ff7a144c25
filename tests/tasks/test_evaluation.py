from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.values import ModelVersion
from recipes.recipe import Gate
from scoring_service import model
from scoring_service.refusal import RowsRefusedError
from tasks import evaluation
from tasks.evaluation import Comparison, Verdict, decide, interval
from tests.tasks.made import make_outputs, read_predictions
from training import outputs

GATE = Gate(confidence=0.9, min_improvement=0.0)
PLAIN = Gate(confidence=None, min_improvement=0.0)
TAGS = {"dataset_version": "1", "dataset_fingerprint": "f"}
numbers = st.floats(-1e6, 1e6, allow_nan=False)


def comparison(improvement: float, lower: float | None) -> Comparison:
    return Comparison(1, 10.0, improvement, lower, None if lower is None else improvement + 1)


def test_the_first_model_is_promoted() -> None:
    assert decide(None, GATE)[0] == "promote"


@pytest.mark.parametrize(
    ("improvement", "lower", "gate", "decision"),
    [
        (2.0, 0.5, GATE, "promote"),
        (2.0, -0.5, GATE, "reject"),
        (0.0, 0.0, GATE, "reject"),
        (2.0, 0.5, Gate(confidence=0.9, min_improvement=0.5), "reject"),
        (2.0, None, PLAIN, "promote"),
        (0.0, None, PLAIN, "reject"),
        (-1.0, None, PLAIN, "reject"),
    ],
)
def test_the_bound_decides(improvement: float, lower: float | None, gate: Gate, decision: str) -> None:
    assert decide(comparison(improvement, lower), gate)[0] == decision


def test_the_reason_names_bound_and_threshold() -> None:
    _, reason = decide(comparison(2.0, -0.5), GATE)
    assert reason == "the lower 90% bound of the improvement is -0.5, not more than 0"


@settings(max_examples=25)
@given(st.lists(numbers, min_size=2, max_size=40))
def test_the_interval_is_ordered_deterministic_and_within_the_data(values: list[float]) -> None:
    improvements = np.array(values)
    low, high = interval(improvements, 0.9)
    assert interval(improvements, 0.9) == (low, high)
    slack = 1e-9 * max(1.0, float(np.abs(improvements).max()))
    assert improvements.min() - slack <= low <= high <= improvements.max() + slack


@settings(max_examples=15)
@given(st.lists(numbers, min_size=2, max_size=20))
def test_swapping_champion_and_candidate_mirrors_the_interval(values: list[float]) -> None:
    improvements = np.array(values)
    low, high = interval(improvements, 0.9)
    assert interval(-improvements, 0.9) == pytest.approx((-high, -low), rel=1e-9, abs=1e-9)


def test_a_tie_has_no_positive_bound() -> None:
    assert interval(np.zeros(30), 0.9) == (0.0, 0.0)


def test_the_interval_agrees_with_the_normal_theory_of_large_samples() -> None:
    sample = np.random.default_rng(7).normal(1.0, 2.0, 5_000)
    low, high = interval(sample, 0.9)
    half = 1.2816 * sample.std() / np.sqrt(len(sample))
    assert low == pytest.approx(sample.mean() - half, rel=0.03)
    assert high == pytest.approx(sample.mean() + half, rel=0.03)


@pytest.fixture
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outputs of the champion, version 7."""
    folder = make_outputs(tmp_path / "champion")
    registry = SimpleNamespace(outputs=lambda recipe, version: folder)
    journal = SimpleNamespace(entries=lambda recipe: [])
    monkeypatch.setattr(evaluation, "current", lambda: SimpleNamespace(registry=registry, journal=journal))
    return folder


def judge(folder: Path) -> Verdict:
    return evaluation.judge.fn("diabetes", make_outputs(folder), TAGS, ModelVersion("diabetes", 7, {}))


def test_a_champion_that_needs_a_column_of_before_is_replaced_by_force_only(champion: Path, tmp_path: Path) -> None:
    result = champion / outputs.RESULT
    content = json.loads(result.read_text())
    result.write_text(json.dumps(content | {"features": [*content["features"], "s7"]}))
    verdict = judge(tmp_path / "candidate")
    assert (verdict.promote, verdict.comparison) == (False, None)
    assert verdict.reason.startswith("champion diabetes 7 needs the columns ['s7']")
    assert verdict.reason.endswith("with force=True")


def test_a_champion_that_does_not_know_a_category_is_replaced_by_force_only(
    champion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise RowsRefusedError("unknown category 'Bern'")

    monkeypatch.setattr(model, "load_model", lambda *_: SimpleNamespace(predict=refuse))
    verdict = judge(tmp_path / "candidate")
    assert (verdict.promote, verdict.comparison) == (False, None)
    assert verdict.reason.startswith("champion diabetes 7 has no prediction")
    assert "(unknown category 'Bern')" in verdict.reason
    assert verdict.reason.endswith("with force=True")


@pytest.mark.parametrize(
    ("nullable", "told"),
    [
        ([], "it was never tried without ['bmi']"),
        (["bmi"], "it answers no finite number, as a model does that cannot do without a value"),
    ],
)
def test_a_champion_that_cannot_do_without_a_value_is_replaced_by_force_only(
    champion: Path, tmp_path: Path, nullable: list[str], told: str
) -> None:
    result = champion / outputs.RESULT
    result.write_text(json.dumps(json.loads(result.read_text()) | {"nullable": nullable}))
    holdout = read_predictions(make_outputs(tmp_path / "candidate"))
    holdout.loc[3, "bmi"] = np.nan
    holdout.to_parquet(tmp_path / "candidate" / outputs.PREDICTIONS)
    verdict = evaluation.judge.fn("diabetes", tmp_path / "candidate", TAGS, ModelVersion("diabetes", 7, {}))
    assert (verdict.promote, verdict.comparison) == (False, None)
    assert f"({told})" in verdict.reason
