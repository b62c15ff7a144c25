from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from scoring_service.model import load_model
from tests.training.test_gaps import GAPPY, numbers
from tests.training.test_portable import FEATURES, named, write
from training import onnx_steps
from training.acceptance import RejectedError

VOTES = "onnx: it chooses a class by votes that are added in single precision, or in another order"
GRID = pd.DataFrame(np.indices((4, 4, 4)).reshape(3, -1).T * 1.0, columns=["a", "b", "c"])
NOISE = np.random.default_rng(2).normal(size=len(GRID))
CLASSES = (GRID["a"] + GRID["b"] + NOISE > 3).astype(float)


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(4, random_state=0),
        ExtraTreesClassifier(4, random_state=0),
        BaggingClassifier(n_estimators=4, random_state=0),
        AdaBoostClassifier(n_estimators=3),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=3)),
    ],
    ids=named,
)
def test_votes_that_tie_choose_the_class_that_the_estimator_does(estimator: Any, tmp_path: Path) -> None:  # noqa: ANN401  # no types
    found, expected = write(tmp_path, estimator, GRID, CLASSES)
    assert (found.form, VOTES in found.passed_over) == ("skops", True)
    assert list(load_model(tmp_path, list("abc")).predict(GRID.to_numpy())) == list(expected)


@pytest.mark.parametrize("estimator", [LogisticRegression(), GaussianNB()], ids=named)
def test_a_class_that_is_chosen_by_one_sum_in_double_precision_serves_as_onnx(
    estimator: Any,  # noqa: ANN401  # no types
    tmp_path: Path,
) -> None:
    found, _ = write(tmp_path, estimator, GRID, CLASSES)
    assert (found.form, found.tolerance.relative) == ("onnx", 1e-9)


@pytest.mark.parametrize(
    "estimator", [KNeighborsClassifier(4), KNeighborsRegressor(4), RadiusNeighborsRegressor(2.0)], ids=named
)
def test_of_neighbours_that_are_as_near_those_of_the_estimator_count(estimator: Any, tmp_path: Path) -> None:  # noqa: ANN401  # no types
    found, _ = write(tmp_path, estimator, GRID.iloc[::2], CLASSES.iloc[::2])
    assert "onnx: of neighbours that are as near as others it takes other ones" in found.passed_over
    served = load_model(tmp_path, list("abc")).predict(GRID.to_numpy())
    assert (found.form, list(served)) == ("skops", list(estimator.predict(GRID)))


def test_who_tells_outliers_chooses_a_class_too(tmp_path: Path) -> None:
    found, _ = write(tmp_path, IsolationForest(n_estimators=3, random_state=0), GRID, CLASSES)
    assert (found.form, VOTES in found.passed_over) == ("skops", True)


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(random_state=0),
        RandomForestClassifier(3, random_state=0),
        BaggingClassifier(n_estimators=3, random_state=0),
        StackingClassifier([("t", DecisionTreeClassifier(random_state=0))], cv=2),
    ],
    ids=named,
)
def test_trees_that_split_at_a_missing_value_are_not_converted_for_ever(estimator: Any, tmp_path: Path) -> None:  # noqa: ANN401  # no types
    target = GAPPY["a"].isna() * 1.0
    found, expected = write(tmp_path, estimator, GAPPY, target, numbers("a", "b"))
    assert found.form == "skops"
    assert "onnx: some trees only tell missing values from all others at a node" in found.passed_over
    assert list(load_model(tmp_path, ["a", "b"]).predict(GAPPY.to_numpy())) == list(expected)


def test_only_our_own_converters_know_such_a_split() -> None:
    forest = RandomForestRegressor(2, random_state=0).fit(GAPPY, GAPPY["a"].isna() * 1.0)
    onnx_steps.check_estimator(forest, "double")
    with pytest.raises(RejectedError, match="only tell missing values"):
        onnx_steps.check_estimator(forest, "single")


def test_trees_in_single_precision_take_only_what_fits_it(tmp_path: Path) -> None:
    estimator = LGBMRegressor(n_estimators=3, n_jobs=1, zero_as_missing=True, verbose=-1)
    found, _ = write(tmp_path, estimator, GRID, GRID["a"])
    assert (found.form, found.tolerance.relative) == ("onnx", 1e-5)
    found, _ = write(tmp_path, estimator, FEATURES)
    assert "onnx: it compares in single precision what does not fit it" in found.passed_over
    assert found.form == "skops"
