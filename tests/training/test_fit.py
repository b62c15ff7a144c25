from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
import pytest
from pandera.pandas import Column, DataFrameSchema
from sklearn.ensemble import RandomForestRegressor

from recipes.recipe import Metric
from tests.recipes import examples
from training import fit
from training.errors import TrainingError

if TYPE_CHECKING:
    from recipes.recipe import Array


class Fixed:
    """Predicts what it was told, and remembers what it learnt from."""

    def __init__(self, answer: object = None) -> None:
        self.answer = answer

    def fit(self, features: pd.DataFrame, target: pd.Series[float]) -> Self:
        self.seen = features.assign(y=target)
        return self

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        return np.zeros(len(features)) if self.answer is None else np.array(self.answer)


def test_estimators_learn_from_the_training_part_only_and_from_latest_rows() -> None:
    recipe = examples.recipe(estimator=Fixed)
    old = examples.rows()
    corrected = old.head(20).assign(y=9.0)
    fitted = fit.fit(recipe, pd.concat([old, corrected], ignore_index=True), {})
    seen = fitted.estimator.seen  # type: ignore[attr-defined]  # of Fixed
    assert (fitted.rows, fitted.superseded, fitted.rows_train) == (60, 20, len(seen))
    assert len(fitted.holdout) == 40 - len(seen)
    everything = pd.concat([seen, fitted.holdout]).sort_values(["a", "b"]).reset_index(drop=True)
    expected = pd.concat([corrected, old.tail(20)]).sort_values(["a", "b"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(everything, expected)
    assert list(seen.columns) == ["a", "b", "y"]


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"3 distinct entities give \d rows to train on and \d in the holdout"):
        fit.fit(examples.recipe(), examples.rows(3), {})


def test_features_that_lack_values_are_refused_where_no_request_can_lack_them() -> None:
    rows = examples.rows()
    rows.loc[[3, 4], "a"] = np.nan
    with pytest.raises(TrainingError, match=r"of 40 entities, so many lack a value: \{'a': 2\}; in requests only a"):
        fit.fit(examples.recipe(), rows, {})
    schema = examples.SCHEMA.update_column("a", nullable=True)
    assert fit.fit(examples.recipe(schema=schema, estimator=Fixed), rows, {}).rows == 40


def test_only_numbers_may_be_missing() -> None:
    schema = DataFrameSchema({"a": Column(float), "t": Column(str, nullable=True), "y": Column(float)})
    rows = examples.rows().drop(columns="b").assign(t="x")
    rows.loc[3, "t"] = None
    with pytest.raises(TrainingError, match=r"so many lack a value: \{'t': 1\}; in requests only a `float`"):
        fit.fit(examples.recipe(schema=schema), rows[["a", "t", "y"]], {})


@pytest.mark.parametrize(("answer", "reason"), [([1.0, 2.0], r"gave shape \(2,\) for"), (np.nan, "gave shape")])
def test_predictions_must_be_one_number_per_row(answer: object, reason: str) -> None:
    recipe = examples.recipe(estimator=Fixed, parameters={"answer": 0})
    with pytest.raises(TrainingError, match=reason):
        fit.fit(recipe, examples.rows(), {"answer": answer})  # type: ignore[dict-item]  # what a broken recipe does


def test_predictions_must_be_finite() -> None:
    with pytest.raises(TrainingError, match="NaN or infinity"):
        fit.predict(examples.recipe(), Fixed([np.inf, 1.0]), examples.rows(2))


def test_random_estimators_repeat_themselves() -> None:
    recipe = examples.recipe(estimator=RandomForestRegressor, parameters={"n_estimators": 3})
    first, second = (fit.fit(recipe, examples.rows(), {"n_estimators": 3}) for _ in range(2))
    assert list(first.predictions) == list(second.predictions)


def test_metrics_are_those_of_the_recipe_on_the_holdout() -> None:
    recipe = examples.recipe(estimator=Fixed)
    fitted = fit.fit(recipe, examples.rows(), {})
    assert fit.metrics(recipe, fitted) == {"mae": pytest.approx(fitted.holdout["y"].abs().mean())}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_metric_that_is_no_number_is_named(value: float) -> None:
    metrics = (Metric("mae", examples.mean_error), Metric("correlation", lambda *_: value))
    recipe = examples.recipe(metrics=metrics)
    fitted = fit.fit(recipe, examples.rows(), {})
    with pytest.raises(
        TrainingError, match=r"'example': the metrics \['correlation'\] give NaN or infinity on the \d+"
    ):
        fit.metrics(recipe, fitted)


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (lambda actual, predicted: np.abs(actual - predicted).mean(), r"`loss` gave shape \(\) for \d+ rows"),
        (lambda actual, predicted: np.abs(actual - predicted)[:3], r"`loss` gave shape \(3,\) for \d+ rows"),
        (lambda actual, predicted: actual * np.nan, "or NaN or infinity; it must give one number per row"),
        (lambda actual, predicted: actual / [], "`loss` failed: ValueError: .*; see recipes/example"),
    ],
)
def test_a_loss_that_the_gate_could_not_use_is_told_by_the_first_job(loss: Callable[..., Array], reason: str) -> None:
    recipe = examples.recipe(loss=loss)
    with pytest.raises(TrainingError, match=reason):
        fit.metrics(recipe, fit.fit(recipe, examples.rows(), {}))


class Unwilling(Fixed):
    """Does not learn, or does not predict."""

    def __init__(self, learns: bool) -> None:
        super().__init__()
        self.learns = learns

    def fit(self, features: pd.DataFrame, target: pd.Series[float]) -> Self:
        if not self.learns:
            raise KeyError("no such column")
        return self

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        raise IndexError("too far")


def test_what_fails_in_a_recipe_is_named() -> None:
    def broken(actual: Array, predicted: Array) -> float:
        raise ZeroDivisionError("division by zero")

    recipe = examples.recipe(metrics=(Metric("gini", broken),))
    with pytest.raises(TrainingError, match=f"'{recipe.name}': metric 'gini' failed: ZeroDivisionError: division by"):
        fit.metrics(recipe, fit.fit(recipe, examples.rows(), {}))
    unwilling = examples.recipe(estimator=Unwilling, parameters={"learns": True})
    with pytest.raises(TrainingError, match="`fit` of Unwilling failed: KeyError: 'no such column'; see recipes/"):
        fit.fit(unwilling, examples.rows(), {"learns": False})
    with pytest.raises(TrainingError, match="`predict` of Unwilling failed: IndexError: too far; see recipes/"):
        fit.fit(unwilling, examples.rows(), {"learns": True})
