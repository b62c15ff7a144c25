from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeRegressor

from scoring_service.model import load_model
from scoring_service.refusal import RowsRefusedError
from scoring_service.schema import Feature
from tests.training.test_portable import FEATURES, TARGET, named, write
from training import onnx_file, portable
from training.acceptance import Acceptance

_RANDOM = np.random.default_rng(0)
CODED = pd.DataFrame(
    {"grade": _RANDOM.integers(1, 5, 80) * 1.0, "code": _RANDOM.integers(1, 6, 80), "x": _RANDOM.normal(size=80)}
)
CODED_TARGET = np.cos(CODED["grade"] * 2) * 3 + CODED["code"] % 2 + CODED["x"]
LIMITED = [Feature("a", "number", 0, 1), Feature("b", "number", 0, 1)]


def encoded(encoder: object, column: str, model: object) -> Pipeline:
    return make_pipeline(ColumnTransformer([("c", encoder, [column])], remainder="passthrough"), model)


def answer(predict: Any, rows: Any) -> float | str:  # noqa: ANN401  # a frame or an array
    try:
        return float(predict(rows)[0])
    except (ValueError, RowsRefusedError):
        return "refused"


@pytest.mark.parametrize(
    ("estimator", "row"),
    [
        (encoded(OneHotEncoder(handle_unknown="ignore"), "grade", Ridge()), (2.5, 3, 0.1)),
        (encoded(OneHotEncoder(), "grade", Ridge()), (2.5, 3, 0.1)),
        (encoded(OrdinalEncoder(), "grade", Ridge()), (2.5, 3, 0.1)),
        (encoded(OneHotEncoder(), "code", Ridge()), (2.0, 99, 0.1)),
        (encoded(OrdinalEncoder(), "code", Ridge()), (2.0, 99, 0.1)),
        (encoded(OrdinalEncoder(), "code", RandomForestRegressor(3, random_state=0)), (2.0, 99, 0.1)),
    ],
    ids=named,
)
def test_a_category_that_no_row_had_is_answered_as_the_estimator_does(
    estimator: Any,  # noqa: ANN401  # no types
    row: tuple[float, ...],
    tmp_path: Path,
) -> None:
    write(tmp_path, estimator, CODED, CODED_TARGET)
    served = answer(load_model(tmp_path, ["grade", "code", "x"]).predict, np.array([row]))
    expected = answer(estimator.predict, pd.DataFrame([row], columns=CODED.columns).astype({"code": int}))
    assert served == (expected if expected == "refused" else pytest.approx(expected, rel=1e-9))


@pytest.mark.parametrize(
    "encoder", [OneHotEncoder(handle_unknown="ignore"), OneHotEncoder(), OrdinalEncoder()], ids=named
)
def test_a_category_that_the_schema_refuses_rejects_no_form(encoder: object, tmp_path: Path) -> None:
    declared = [
        Feature("grade", "number", values=(1.0, 2.0, 3.0, 4.0)),
        Feature("code", "integer"),
        Feature("x", "number"),
    ]
    found, _ = write(tmp_path, encoded(encoder, "grade", Ridge()), CODED, CODED_TARGET, declared)
    assert (found.form, found.tolerance.relative) == ("onnx", 1e-9)


def test_what_is_answered_in_another_way_is_told(tmp_path: Path) -> None:
    found, _ = write(tmp_path, encoded(OneHotEncoder(), "grade", Ridge()), CODED, CODED_TARGET)
    assert "onnx: other values of 'grade' are answered in another way" in found.passed_over


def test_a_form_that_differs_only_off_the_holdout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alike = FEATURES.assign(b=FEATURES["a"])
    model, other = (DecisionTreeRegressor().fit(alike.assign(**{ignored: 0.0}), TARGET) for ignored in ("a", "b"))
    convert = onnx_file.convert
    monkeypatch.setattr(onnx_file, "convert", lambda _estimator, *given: convert(other, *given))
    found = portable.write(tmp_path, model, alike, model.predict(alike), LIMITED)
    assert "onnx: rows of values that do not belong together are answered in another way" in found.passed_over


def test_a_row_alone_stays_within_the_tolerance(tmp_path: Path) -> None:
    """This boosting begins with a sum in single precision, which is added in another order in batches."""
    found, expected = write(tmp_path, GradientBoostingRegressor(init=Ridge(), n_estimators=3), FEATURES, TARGET)
    assert (found.form, found.tolerance.relative) == ("skops", 1e-5)
    model = load_model(tmp_path, ["a", "b"])
    alone = [model.predict_one(row) for row in FEATURES.to_numpy().tolist()]
    np.testing.assert_allclose(alone, expected, found.tolerance.relative, found.tolerance.absolute)


def test_an_estimator_may_fail_with_any_error_where_no_row_was(tmp_path: Path) -> None:
    class Picky(Ridge):  # type: ignore[misc]  # scikit-learn has no types
        def predict(self, features: pd.DataFrame) -> np.ndarray:
            if (np.asarray(features) > 1e9).any():
                raise KeyError("no such key")
            return np.asarray(super().predict(features))

    model = Picky().fit(FEATURES, TARGET)
    acceptance = Acceptance.of(model, FEATURES, model.predict(FEATURES))
    assert any(np.isnan(probe.expected).any() for probe in acceptance.asked)
