from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

from scoring_service.model import load_model
from tests.training.test_portable import FEATURES, named, write

LARGEST = float(np.finfo(np.float32).max)
TOO_LARGE = pd.DataFrame({"a": [0.5, -4e38], "b": [1e300, 0.5]})


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeRegressor(random_state=0),
        RandomForestRegressor(5, random_state=0),
        GradientBoostingRegressor(n_estimators=5),
        VotingRegressor([("r", Ridge()), ("f", RandomForestRegressor(3, random_state=0))]),
    ],
    ids=named,
)
def test_a_number_that_scikit_learn_refuses_as_too_large_has_no_prediction(estimator: Any, tmp_path: Path) -> None:  # noqa: ANN401  # no types
    found, _ = write(tmp_path, estimator)
    assert found.form == "onnx"
    good = pd.concat([FEATURES.head(3), pd.DataFrame({"a": [LARGEST], "b": [0.5]})])
    model = load_model(tmp_path, ["a", "b"])
    served = model.predict(pd.concat([good, TOO_LARGE]).to_numpy())
    np.testing.assert_allclose(served[:4], estimator.predict(good), rtol=1e-9)
    assert np.isnan(served[4:]).all()
    assert np.isnan(model.predict_one((0.5, 1e300)))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="too large for dtype"):
        estimator.predict(TOO_LARGE)


def test_a_missing_value_is_not_taken_for_one_that_is_too_large(tmp_path: Path) -> None:
    gappy = FEATURES.mask(np.random.default_rng(0).random(FEATURES.shape) < 0.2)
    found, _ = write(tmp_path, RandomForestRegressor(3, random_state=0), gappy)
    served = load_model(tmp_path, ["a", "b"]).predict(np.array([(np.nan, 0.5), (np.nan, 1e300)]))
    assert (found.form, np.isfinite(served).tolist()) == ("onnx", [True, False])
