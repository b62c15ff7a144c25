from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import HuberRegressor, Lasso, LinearRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, RobustScaler, StandardScaler

from recipes.recipe import Estimator
from scoring_service.model import load_model
from tests.recipes import examples
from training import linear, portable
from training.errors import TrainingError

FRAME = examples.rows(60)
FEATURES, TARGET = FRAME[["a", "b"]], FRAME["y"] + FRAME["a"] * FRAME["b"]


class Mean:
    """An estimator that no distribution brings along."""

    def fit(self, features: pd.DataFrame, target: pd.Series[float]) -> Self:
        self.mean_ = float(target.mean())
        return self

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        return np.full(len(features), self.mean_)


def write(folder: Path, estimator: Estimator) -> tuple[portable.Portable, np.ndarray]:
    estimator.fit(FEATURES, TARGET)
    expected = np.asarray(estimator.predict(FEATURES))
    return portable.write(folder, estimator, FEATURES, expected), expected


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(alpha=0.4),
        LinearRegression(fit_intercept=False),
        Lasso(alpha=0.01),
        HuberRegressor(),
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(with_mean=False), Ridge()),
        make_pipeline(StandardScaler(with_std=False), MinMaxScaler((1, 3)), Ridge()),
        make_pipeline(MaxAbsScaler(), RobustScaler(), Ridge()),
        make_pipeline(RobustScaler(with_centering=False, with_scaling=False), Ridge()),
        Pipeline([("none", "passthrough"), ("inner", make_pipeline(StandardScaler(), Ridge()))]),
    ],
    ids=lambda estimator: str(estimator).replace("\n", ""),
)
def test_linear_models_serve_as_weights(estimator: Estimator, tmp_path: Path) -> None:
    found, expected = write(tmp_path / "p", estimator)
    assert found.form == "weights"
    assert [name.partition("==")[0] for name in found.requirements] == ["numpy"]
    assert sorted(file.name for file in (tmp_path / "p").iterdir()) == ["form.json", "weights.json"]
    served = load_model(tmp_path / "p", ["a", "b"]).predict(FEATURES.to_numpy())
    np.testing.assert_allclose(served, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (GradientBoostingRegressor(n_estimators=5, random_state=0), "array"),
        (HistGradientBoostingRegressor(max_iter=5), "array"),
        (make_pipeline(PolynomialFeatures(2), StandardScaler(), Ridge()), "array"),
        (make_pipeline(MinMaxScaler(clip=True), Ridge()), "array"),
        (make_pipeline(ColumnTransformer([("a", StandardScaler(), ["a"])]), Ridge()), "frame"),
    ],
    ids=lambda value: str(value).replace("\n", ""),
)
def test_everything_else_serves_as_skops(estimator: Estimator, kind: str, tmp_path: Path) -> None:
    found, expected = write(tmp_path, estimator)
    form = json.loads((tmp_path / "form.json").read_bytes())
    assert (found.form, form["form"], form["input"]) == ("skops", "skops", kind)
    names = {name.partition("==")[0] for name in found.requirements}
    assert names == {"numpy", "scikit-learn", "skops"} | ({"pandas"} if kind == "frame" else set())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert list(load_model(tmp_path, ["a", "b"]).predict(FEATURES.to_numpy())) == list(expected)


def test_a_linear_model_that_overrides_predict_is_not_weights(tmp_path: Path) -> None:
    class Clipped(Ridge):  # type: ignore[misc]  # scikit-learn has no types
        def predict(self, features: pd.DataFrame) -> np.ndarray:
            return np.asarray(np.maximum(super().predict(features), 0))

    assert linear.weights_of(Clipped().fit(FEATURES, TARGET)) is None


def test_two_targets_are_not_weights() -> None:
    assert linear.weights_of(Ridge().fit(FEATURES, FEATURES)) is None


def test_weights_that_predict_something_else_are_refused(tmp_path: Path) -> None:
    model = Ridge().fit(FEATURES, TARGET)
    with pytest.raises(
        TrainingError, match=r"Ridge has no form .*weights: predictions differ by up to .*; skops: .*"
    ):
        portable.write(tmp_path, model, FEATURES, model.predict(FEATURES) + 1)
    assert not (tmp_path / "form.json").exists()


def test_a_type_that_the_image_cannot_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the type comes from tests, which no distribution brings"):
        write(tmp_path, Mean())


def test_what_skops_cannot_write_is_told(tmp_path: Path) -> None:
    model = Mean()
    model.callback: Callable[[], int] = lambda: 1  # type: ignore[attr-defined,misc]  # no file can hold it
    with pytest.raises(TrainingError, match=r"skops: \w+: .*"):
        write(tmp_path, model)


SCRIPT = """
import sys
from pathlib import Path
from tests.training.test_portable import FEATURES, GradientBoostingRegressor, Ridge, write
write(Path(sys.argv[1], "a"), Ridge())
write(Path(sys.argv[1], "b"), GradientBoostingRegressor(n_estimators=5, random_state=0))
"""


def test_the_same_fit_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        folder = tmp_path / name
        subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], check=True, cwd=Path(__file__).parents[2])
        found = sorted(file for file in folder.rglob("*") if file.is_file())
        digests.append([(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in found])
    assert digests[0] == digests[1]
    assert [name for name, _ in digests[0]] == ["form.json", "weights.json", "form.json", "model.skops"]
