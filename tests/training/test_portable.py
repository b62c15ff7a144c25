from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import HuberRegressor, Lasso, LinearRegression, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

from scoring_service.model import load_model
from scoring_service.schema import Feature
from tests.recipes import examples, flats
from training import linear, matrix, portable
from training.errors import TrainingError

FRAME = examples.rows(60)
FEATURES, TARGET = FRAME[["a", "b"]], FRAME["y"] + FRAME["a"] * FRAME["b"]
FLATS, RENTS = flats.rows()[list(flats.recipe.features)], flats.rows()["rent"]


class Mean:
    """An estimator that no distribution brings along."""

    def fit(self, features: pd.DataFrame, target: pd.Series[float]) -> Self:
        self.mean_ = float(target.mean())
        return self

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        return np.full(len(features), self.mean_)


def write(
    folder: Path,
    estimator: Any,  # noqa: ANN401  # scikit-learn has no types
    features: pd.DataFrame = FEATURES,
    target: pd.Series[float] = TARGET,
    declared: Sequence[Feature] = (),
) -> tuple[portable.Portable, np.ndarray]:
    estimator.fit(features, target)
    expected = np.asarray(estimator.predict(features))
    return portable.write(folder, estimator, features, expected, declared), expected


def named(value: object) -> str:
    """The case's name, the same in every process."""
    return re.sub(r"objectat0x[0-9a-f]+", "", re.sub(r"\s", "", str(value)))


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
        make_pipeline(ColumnTransformer([("a", StandardScaler(), ["b", "a"])]), Ridge()),
        make_pipeline(ColumnTransformer([("a", StandardScaler(), ["a"])]), Ridge()),
        make_pipeline(
            ColumnTransformer(
                [("b", "drop", ["b"])],
                remainder=make_pipeline(MaxAbsScaler(), StandardScaler()),
            ),
            Ridge(),
        ),
        make_pipeline(
            ColumnTransformer([("a", StandardScaler(), make_column_selector("a"))], remainder="passthrough"), Ridge()
        ),
        make_pipeline(
            ColumnTransformer([("x", "passthrough", slice(0, 2)), ("y", RobustScaler(), [True, False])]),
            StandardScaler(),
            Ridge(),
        ),
        make_pipeline(ColumnTransformer([("x", StandardScaler(), slice("a", "b"))]), Ridge()),
    ],
    ids=named,
)
def test_linear_models_serve_as_weights(estimator: Any, tmp_path: Path) -> None:  # noqa: ANN401  # no types
    found, expected = write(tmp_path / "p", estimator)
    assert found.form == "weights"
    assert (found.tolerance.relative, found.tolerance.absolute) == (1e-9, 1e-12)
    assert [name.partition("==")[0] for name in found.requirements] == ["numpy"]
    assert sorted(file.name for file in (tmp_path / "p").iterdir()) == ["form.json", "weights.json"]
    served = load_model(tmp_path / "p", ["a", "b"]).predict(FEATURES.to_numpy())
    np.testing.assert_allclose(served, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("estimator", "tolerance"),
    [
        (RandomForestRegressor(10, random_state=0), 1e-9),
        (ExtraTreesRegressor(10, random_state=0), 1e-9),
        (GradientBoostingRegressor(n_estimators=20, random_state=0), 1e-9),
        (GradientBoostingRegressor(n_estimators=3, init="zero", random_state=0), 1e-9),
        (DecisionTreeRegressor(random_state=0), 1e-9),
        (DecisionTreeRegressor(min_samples_leaf=60), 1e-9),
        (make_pipeline(StandardScaler(), RandomForestRegressor(10, random_state=0)), 1e-9),
        (VotingRegressor([("r", Ridge()), ("f", RandomForestRegressor(3, random_state=0))]), 1e-9),
        (make_pipeline(MinMaxScaler(clip=True), Ridge()), 1e-9),
        (make_pipeline(PolynomialFeatures(2), StandardScaler(), Ridge()), 1e-5),
        (LGBMRegressor(n_estimators=10, verbose=-1), 1e-9),
    ],
    ids=named,
)
def test_what_can_be_converted_serves_as_onnx(estimator: Any, tolerance: float, tmp_path: Path) -> None:  # noqa: ANN401  # no types
    found, expected = write(tmp_path, estimator)
    assert (found.form, found.tolerance.relative) == ("onnx", tolerance)
    assert [name.partition("==")[0] for name in found.requirements] == ["numpy", "onnxruntime"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["form.json", "model.onnx"]
    model, rows = load_model(tmp_path, ["a", "b"]), matrix.rows(FEATURES)
    relative, absolute = found.tolerance.relative, found.tolerance.absolute
    np.testing.assert_allclose(model.predict(rows), expected, relative, absolute)
    np.testing.assert_allclose([model.predict_one(row) for row in rows.tolist()], expected, relative, absolute)


def ordinal(model: object) -> Pipeline:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(ColumnTransformer([("texts", encoder, flats.TEXTS)], remainder="passthrough"), model)


@pytest.mark.parametrize(
    ("estimator", "form", "tolerance"),
    [
        (flats.one_hot(Ridge()), "onnx", 1e-9),
        (flats.one_hot(Ridge(), "error"), "onnx", 1e-9),
        (flats.one_hot(RandomForestRegressor(10, random_state=0)), "onnx", 1e-9),
        (flats.one_hot(GradientBoostingRegressor(n_estimators=10, random_state=0)), "onnx", 1e-9),
        (flats.one_hot(LGBMRegressor(n_estimators=10, verbose=-1)), "onnx", 1e-9),
        (ordinal(RandomForestRegressor(10, random_state=0)), "onnx", 1e-9),
        (flats.one_hot(Ridge(), "infrequent_if_exist"), "skops", 1e-9),
        (flats.one_hot(HistGradientBoostingRegressor(max_iter=5)), "skops", 1e-9),
        (flats.target_encoded(), "skops", 1e-9),
    ],
    ids=named,
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_other_columns_serve_too(estimator: Any, form: str, tolerance: float, tmp_path: Path) -> None:  # noqa: ANN401  # no types
    found, expected = write(tmp_path, estimator, FLATS, RENTS)
    assert (found.form, found.tolerance.relative) == (form, tolerance)
    model, rows = load_model(tmp_path, flats.recipe.features), matrix.rows(FLATS)
    np.testing.assert_allclose(model.predict(rows), expected, rtol=tolerance)
    np.testing.assert_allclose([model.predict_one(row) for row in rows[:9].tolist()], expected[:9], rtol=tolerance)


def test_what_no_converter_knows_serves_as_skops(tmp_path: Path) -> None:
    found, expected = write(tmp_path, HistGradientBoostingRegressor(max_iter=5))
    form = json.loads((tmp_path / "form.json").read_bytes())
    assert (found.form, form["form"], form["frame"]) == ("skops", "skops", None)
    assert found.passed_over[0] == "weights: not a linear model"
    assert any(reason.startswith("onnx: ") for reason in found.passed_over)
    assert form["trusted"] == [name for name in form["trusted"] if name.startswith("sklearn.")]
    assert {name.partition("==")[0] for name in found.requirements} == {"numpy", "scikit-learn", "skops"}
    assert list(load_model(tmp_path, ["a", "b"]).predict(FEATURES.to_numpy())) == list(expected)


def test_columns_by_name_need_no_frame(tmp_path: Path) -> None:
    found, _ = write(tmp_path, flats.target_encoded(), FLATS, RENTS)
    assert json.loads((tmp_path / "form.json").read_bytes())["frame"] is None
    assert "pandas" not in {name.partition("==")[0] for name in found.requirements}


def test_a_frame_is_served_to_what_wants_one(tmp_path: Path) -> None:
    numbers = make_column_selector(dtype_include="number")
    inner = ColumnTransformer([("n", StandardScaler(), ["area"])], remainder="drop")
    union = FeatureUnion([("named", inner), ("chosen", ColumnTransformer([("n", "passthrough", numbers)]))])
    found, expected = write(tmp_path, make_pipeline(union, HistGradientBoostingRegressor(max_iter=2)), FLATS, RENTS)
    form = json.loads((tmp_path / "form.json").read_bytes())
    assert form["frame"] == ["number", "integer", "boolean", "string", "string"]
    assert "pandas" in {name.partition("==")[0] for name in found.requirements}
    model, rows = load_model(tmp_path, flats.recipe.features), matrix.rows(FLATS)
    assert list(model.predict(rows)) == list(expected)
    assert [model.predict_one(row) for row in rows[:3].tolist()] == list(expected[:3])


def test_a_form_that_answers_unknown_categories_in_another_way_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import onnx_file

    strict = flats.one_hot(Ridge(), "error").fit(FLATS, RENTS)
    lenient = flats.one_hot(Ridge()).fit(FLATS, RENTS)
    convert = onnx_file.convert
    monkeypatch.setattr(onnx_file, "convert", lambda _estimator, *given: convert(strict, *given))
    assert portable.write(tmp_path, lenient, FLATS, lenient.predict(FLATS)).form == "skops"
    monkeypatch.undo()
    assert portable.write(tmp_path, lenient, FLATS, lenient.predict(FLATS)).form == "onnx"


def test_a_linear_model_that_overrides_predict_is_not_weights(tmp_path: Path) -> None:
    class Clipped(Ridge):  # type: ignore[misc]  # scikit-learn has no types
        def predict(self, features: pd.DataFrame) -> np.ndarray:
            return np.asarray(np.maximum(super().predict(features), 0))

    assert linear.weights_of(Clipped().fit(FEATURES, TARGET), ["a", "b"]) is None


def test_two_targets_are_not_weights() -> None:
    assert linear.weights_of(Ridge().fit(FEATURES, FEATURES), ["a", "b"]) is None


def test_forms_that_predict_something_else_are_refused(tmp_path: Path) -> None:
    model = Ridge().fit(FEATURES, TARGET)
    with pytest.raises(TrainingError, match=r"Ridge has no form .*weights: predictions differ by .*; skops: .*"):
        portable.write(tmp_path, model, FEATURES, model.predict(FEATURES) + 1)
    assert not list(tmp_path.iterdir())


def test_a_type_that_the_image_cannot_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the type comes from tests, which no distribution brings"):
        write(tmp_path, Mean())


def test_each_reason_is_one_line_and_told_once(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"^Mean has no form .*; onnx: \w+: [^\n]*; skops: [^;\n]*$") as told:
        write(tmp_path, Mean())
    assert str(told.value).count("onnx: ") == 1


def test_what_skops_cannot_write_is_told(tmp_path: Path) -> None:
    model = Ridge()
    model.callback = (line for line in "")  # no file can hold it
    model.fit(FEATURES, TARGET)
    with pytest.raises(TrainingError, match=r"skops: \w+: .*"):
        portable.write(tmp_path, model, FEATURES, model.predict(FEATURES) + 1)


SCRIPT = """
import sys
from pathlib import Path
from tests.training.test_portable import *
write(Path(sys.argv[1], "a"), Ridge())
write(Path(sys.argv[1], "b"), GradientBoostingRegressor(n_estimators=5, random_state=0))
write(Path(sys.argv[1], "c"), flats.one_hot(LGBMRegressor(n_estimators=5, verbose=-1)), FLATS, RENTS)
write(Path(sys.argv[1], "d"), HistGradientBoostingRegressor(max_iter=2, random_state=0))
"""


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_the_same_fit_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    """But for skops: what it writes depends on what its process did before, and a job has a process of its own."""
    _elsewhere(tmp_path / "other")
    write(tmp_path / "this" / "a", Ridge())
    write(tmp_path / "this" / "b", GradientBoostingRegressor(n_estimators=5, random_state=0))
    write(tmp_path / "this" / "c", flats.one_hot(LGBMRegressor(n_estimators=5, verbose=-1)), FLATS, RENTS)
    assert _digests(tmp_path / "this") == [pair for pair in _digests(tmp_path / "other") if pair[0][0] != "d"]
    names = [name for name, _ in _digests(tmp_path / "other") if not name.endswith("form.json")]
    assert names == ["a/weights.json", "b/model.onnx", "c/model.onnx", "d/model.skops"]


@pytest.mark.long
def test_the_same_job_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        _elsewhere(tmp_path / name)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")


def _elsewhere(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], check=True, cwd=Path(__file__).parents[2])


def _digests(folder: Path) -> list[tuple[str, str]]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [(str(file.relative_to(folder)), hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
