"""Forms of models whose features may lack values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from scoring_service.model import load_model
from scoring_service.schema import Feature
from tests.recipes import flats
from tests.training.test_portable import FEATURES, FLATS, RENTS, named, write
from training import matrix

GAPPY = FEATURES.mask(np.random.default_rng(0).random(FEATURES.shape) < 0.2)
ONLY_B = ColumnTransformer([("b", "passthrough", ["b"])])
LACKING_AREA = [
    Feature(name, kind, nullable=name == "area")
    for name, kind in zip(flats.recipe.features, matrix.kinds(FLATS), strict=True)
]


def numbers(*nullable: str) -> list[Feature]:
    """Both features, of which these may lack their value."""
    return [Feature(name, "number", nullable=name in nullable) for name in ("a", "b")]


@pytest.mark.parametrize(
    ("estimator", "form", "tolerance"),
    [
        (make_pipeline(SimpleImputer(), StandardScaler(), Ridge()), "onnx", 1e-9),
        (make_pipeline(SimpleImputer(strategy="constant", fill_value=-1, add_indicator=True), Ridge()), "onnx", 1e-9),
        (make_pipeline(ColumnTransformer([("x", SimpleImputer(), ["a", "b"])]), Ridge()), "onnx", 1e-9),
        (make_pipeline(SimpleImputer(), RandomForestRegressor(5, random_state=0)), "onnx", 1e-9),
        (RandomForestRegressor(5, random_state=0), "onnx", 1e-9),
        (LGBMRegressor(n_estimators=5, verbose=-1), "onnx", 1e-9),
        (HistGradientBoostingRegressor(max_iter=5), "skops", 1e-9),
    ],
    ids=named,
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_rows_that_lack_values_serve_too(estimator: Any, form: str, tolerance: float, tmp_path: Path) -> None:  # noqa: ANN401  # no types
    found, expected = write(tmp_path, estimator, GAPPY, declared=numbers("a", "b"))
    assert (found.form, found.tolerance.relative) == (form, tolerance)
    model, rows = load_model(tmp_path, ["a", "b"]), matrix.rows(GAPPY)
    relative, absolute = found.tolerance.relative, found.tolerance.absolute
    np.testing.assert_allclose(model.predict(rows), expected, relative, absolute)
    np.testing.assert_allclose([model.predict_one(row) for row in rows.tolist()], expected, relative, absolute)


@pytest.mark.parametrize(
    ("estimator", "form", "passed_over"),
    [
        (Ridge(), "weights", None),
        (GradientBoostingRegressor(n_estimators=3), "skops", "onnx"),
        (make_pipeline(ONLY_B, Ridge()), "onnx", "weights"),
        (make_pipeline(ONLY_B, SimpleImputer(), Ridge()), "onnx", None),
    ],
    ids=named,
)
def test_a_form_answers_and_refuses_as_the_estimator_does_though_no_row_lacked_a_value(
    estimator: Any,  # noqa: ANN401  # no types
    form: str,
    passed_over: str | None,
    tmp_path: Path,
) -> None:
    found, _ = write(tmp_path, estimator, declared=numbers("a"))
    told = [reason for reason in found.passed_over if "rows without 'a' are answered in another way" in reason]
    assert (found.form, [reason.partition(":")[0] for reason in told]) == (form, [passed_over] if passed_over else [])


def test_weights_that_give_no_number_are_passed_over(tmp_path: Path) -> None:
    found, _ = write(tmp_path, make_pipeline(ONLY_B, Ridge()), GAPPY.assign(b=FEATURES["b"]), declared=numbers("a"))
    assert (found.form, found.passed_over) == ("onnx", ("weights: predictions are not finite",))


def test_an_imputer_of_other_values_is_served_by_itself(tmp_path: Path) -> None:
    found, _ = write(tmp_path, make_pipeline(SimpleImputer(missing_values=0), Ridge()), FEATURES)
    assert found.form == "skops"
    assert "onnx: UnsupportedImputerError: SimpleImputer(missing_values=0) fills other values" in str(
        found.passed_over
    )


def test_filled_texts_are_left_to_the_stock_converter(tmp_path: Path) -> None:
    imputer = SimpleImputer(missing_values="oil", strategy="most_frequent")
    filled = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"))
    parts = [("texts", filled, ["heating"]), ("numbers", SimpleImputer(), flats.NUMBERS)]
    found, _ = write(tmp_path, make_pipeline(ColumnTransformer(parts), Ridge()), FLATS, RENTS, LACKING_AREA)
    assert (found.form, found.tolerance.relative) == ("onnx", 1e-9)
