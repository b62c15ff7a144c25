from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor

from scoring_service.model import load_model
from scoring_service.schema import Feature
from tests.training.test_portable import write
from training import matrix, portable

DECLARED = [Feature(name, "number", nullable=True) for name in "abc"]


def rows(count: int, seed: int) -> pd.DataFrame:
    """Numbers, some of them missing, and a class."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(count, 2)), columns=["a", "b"])
    return frame.mask(random.random(frame.shape) < 0.2).assign(c=random.integers(0, 5, count) * 1.0)


FRAME = rows(300, 0)
TARGET: pd.Series[float] = (FRAME["a"].fillna(1) + FRAME["b"].fillna(-1) * FRAME["c"] / 3).map(math.exp)
OTHERS = rows(500, 1).assign(c=lambda frame: frame["c"].mask(frame["a"] > 1))


def regressor(**parameters: object) -> LGBMRegressor:
    return LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1, **parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"objective": "quantile", "alpha": 0.8},
        {"objective": "poisson"},
        {"objective": "tweedie"},
        {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
        {"use_missing": False},
        {"num_leaves": 2},
        {"min_child_samples": 300},
    ],
    ids=str,
)
def test_lightgbm_serves_in_double_precision(parameters: dict[str, object], tmp_path: Path) -> None:
    estimator = regressor(**parameters)
    found, _ = write(tmp_path, estimator, FRAME, TARGET, DECLARED)
    assert (found.form, found.tolerance.relative) == ("onnx", 1e-9)
    served = load_model(tmp_path, list("abc")).predict(matrix.rows(OTHERS))
    np.testing.assert_allclose(served, estimator.predict(OTHERS), rtol=1e-9)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"objective": "cross_entropy"}, "the objective 'cross_entropy'"),
        ({"reg_sqrt": True}, "the objective 'regression sqrt'"),
        ({"zero_as_missing": True}, "zero_as_missing"),
        ({"linear_tree": True}, "linear leaves"),
    ],
    ids=str,
)
def test_what_only_lightgbm_itself_can_is_left_to_it(
    parameters: dict[str, object], told: str, tmp_path: Path
) -> None:
    estimator = regressor(**parameters)
    found, _ = write(tmp_path, estimator, FRAME, TARGET.clip(0, 1), DECLARED)
    assert f"onnx: UnsupportedTreesError: LightGBM with {told}" in found.passed_over
    assert found.form == "skops"
    served = load_model(tmp_path, list("abc")).predict(matrix.rows(OTHERS))
    np.testing.assert_allclose(served, estimator.predict(OTHERS), rtol=1e-9)


def test_categories_are_left_to_lightgbm_too(tmp_path: Path) -> None:
    target = TARGET.mask(FRAME["c"] == 2, 0)
    estimator = regressor(min_data_per_group=5).fit(FRAME, target, categorical_feature=[2])
    found = portable.write(tmp_path, estimator, FRAME, estimator.predict(FRAME), DECLARED)
    assert "onnx: UnsupportedTreesError: LightGBM with categorical features" in found.passed_over
    assert found.form == "skops"


def test_times_beside_a_threshold_take_the_leaf_that_lightgbm_chooses(tmp_path: Path) -> None:
    times = pd.DataFrame({"at": np.random.default_rng(0).integers(1_600_000_000, 1_760_000_000, 400)})
    estimator = regressor()
    found, _ = write(tmp_path, estimator, times, np.sin(times["at"] / 2e7))
    nodes = estimator.booster_.trees_to_dataframe()
    thresholds = nodes["threshold"].dropna().to_numpy()
    near = pd.DataFrame({"at": np.concatenate([np.floor(thresholds), np.ceil(thresholds)]).astype("int64")})
    served = load_model(tmp_path, ["at"]).predict(matrix.rows(near))
    assert found.form == "onnx"
    np.testing.assert_allclose(served, estimator.predict(near), rtol=1e-9)
