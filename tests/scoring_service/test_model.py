from __future__ import annotations

import subprocess
import sys
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring_service.linear_model import LinearModel, Weights
from scoring_service.model import ModelError, load_model
from scoring_service.skops_model import SkopsModel
from tests.scoring_service.contexts import COEFFICIENTS, INTERCEPT, NAMES, ROW, make_context, write_json

NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=30), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_a_row_alone_and_in_a_batch_give_the_same_bits(
    rows: list[tuple[float, float, float]], coefficients: tuple[float, float, float]
) -> None:
    model = LinearModel(Weights(coefficients, 1.5))
    batch = model.predict(np.array(rows))
    assert batch.tolist() == [model.predict_one(row) for row in rows]


@pytest.mark.parametrize(
    "weights", [Weights((2.0,), -0.0), Weights((1.0,) * 3000, 0.5), Weights((inf, -inf, nan), 1e308)]
)
def test_a_row_alone_is_the_sum_of_any_numbers(weights: Weights) -> None:
    model = LinearModel(weights)
    row = tuple(0.1 * index - 7 for index in range(len(weights.coefficients)))
    expected = model.predict(np.array([row]))
    np.testing.assert_array_equal([model.predict_one(row)], expected)
    for wrong in (row[1:], (*row, 0.0)):
        with pytest.raises(ValueError, match="values to unpack"):
            model.predict_one(wrong)


def test_weights_predict_the_linear_function(context: Path) -> None:
    model = load_model(context / "model", NAMES)
    expected = INTERCEPT + np.dot(ROW, COEFFICIENTS)
    assert model.predict_one(ROW) == pytest.approx(expected, rel=1e-12)
    assert model.predict(np.array([ROW, ROW])) == pytest.approx([expected, expected], rel=1e-12)
    with pytest.raises(ValueError, match="do not fit"):
        model.predict(np.zeros((2, 3)))
    model.unload()


@pytest.mark.parametrize("frame", [None, ["number"] * 10])
def test_skops_predicts_alike_one_by_one_and_in_a_batch(tmp_path: Path, frame: list[str] | None) -> None:
    folder = make_context(tmp_path / "context", "skops") / "model"
    write_json(folder / "form.json", {"form": "skops", "trusted": [], "frame": frame})
    if frame:
        _refit_on_frame(folder)
    model = load_model(folder, NAMES)
    rows = np.array([ROW, [0.0] * len(ROW)])
    batch = model.predict(rows)
    assert batch.shape == (2,)
    assert [model.predict_one(row) for row in rows.tolist()] == pytest.approx(batch.tolist(), rel=1e-12)
    assert model.metadata()["form"] == "skops"
    model.unload()


def test_a_large_integer_beside_a_truth_value_stays_exact_in_a_row_alone() -> None:
    class LastDigits:
        def predict(self, frame: Any) -> NDArray[np.float64]:  # noqa: ANN401  # a frame, of pandas
            return np.array([number % 1000 for number in frame["i"].tolist()], np.float64)

    model = SkopsModel(LastDigits(), {"i": "integer", "b": "boolean"})
    row = (1234567890123456789, True)
    assert model.predict_one(row) == model.predict(np.array([row], object))[0] == 789


def _refit_on_frame(folder: Path) -> None:
    import pandas as pd
    import skops.io
    from sklearn.linear_model import Ridge

    frame = pd.DataFrame([ROW, [0.0] * len(ROW)], columns=list(NAMES))
    skops.io.dump(Ridge().fit(frame, [1.0, 2.0]), folder / "model.skops")


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("form.json", {"form": "pickle"}, "form.json.*pickle"),
        ("form.json", [], "form.json"),
        ("weights.json", {"coefficients": [1.0], "intercept": 0.0}, "1 coefficients for 10 features"),
        ("weights.json", {"coefficients": ["x"], "intercept": 0.0}, "weights.json"),
        ("weights.json", {"coefficients": []}, "weights.json"),
    ],
)
def test_a_folder_that_cannot_be_loaded_names_the_file(
    tmp_path: Path, file: str, content: object, named: str
) -> None:
    folder = make_context(tmp_path / "context") / "model"
    write_json(folder / file, content)
    with pytest.raises(ModelError, match=named):
        load_model(folder, NAMES)


def test_skops_refuses_what_is_not_trusted(tmp_path: Path) -> None:
    folder = make_context(tmp_path / "context", "skops") / "model"
    _dump_untrusted(folder)
    with pytest.raises(ModelError, match=r"model\.skops cannot be loaded.*Untrusted"):
        load_model(folder, NAMES)


def _dump_untrusted(folder: Path) -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(make_context), folder / "model.skops")


def test_import_needs_numpy_and_msgspec_only() -> None:
    code = (
        "import sys, scoring_service.model; "
        "print(sorted({'pandas', 'pyarrow', 'sklearn', 'skops', 'uvloop', 'prefect'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
