from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from platforms import jobs
from recipes import catalog
from recipes.profile import Profile
from recipes.recipe import Recipe
from scoring_service.model import load_model
from tests.recipes import examples
from tests.training import tables
from training import __main__ as job
from training import outputs


def train(monkeypatch: pytest.MonkeyPatch, recipe: Recipe, uri: str, out: Path, *more: str) -> int:
    monkeypatch.setattr(catalog, "load", lambda name: recipe)
    return job.main(["--recipe", recipe.name, "--dataset-version", "0", "--table", uri, "--out", str(out), *more])


def test_the_default_recipe_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = catalog.load("diabetes")
    tables.write(tmp_path / "state" / "tables" / "diabetes", recipe.seed_data())
    out = tmp_path / "out"
    monkeypatch.setenv("RIDGELINE_STATE", str(tmp_path / "state"))
    caplog.set_level(logging.INFO)
    asked = ["--recipe", "diabetes", "--dataset-version", "0", "--out", str(out), "--param", "alpha=0.5"]
    assert job.main([*asked, "--code", "git_tree=a=b"]) == 0
    assert "done" in caplog.text
    result = json.loads((out / outputs.RESULT).read_bytes())
    assert result["parameters"] == {"alpha": 0.5}
    assert result["code"] == {"git_tree": "a=b"}
    assert result["form"] == "weights"
    assert result["rows"] == result["rows_train"] + result["rows_holdout"] == 442
    assert result["features"] == list(recipe.features)

    predictions = pd.read_parquet(out / outputs.PREDICTIONS)
    assert list(predictions.columns) == [*recipe.columns, outputs.PREDICTION]
    assert set(map(str, predictions.dtypes)) == {"float64"}
    actual, predicted = predictions["Y"].to_numpy(), predictions[outputs.PREDICTION].to_numpy()
    metrics = json.loads((out / outputs.METRICS).read_bytes())
    assert list(metrics) == ["mse", "mae", "r2"]
    assert metrics["mse"] == pytest.approx(np.mean((actual - predicted) ** 2)) == result["metrics"]["mse"]
    served = load_model(out / outputs.PORTABLE, recipe.features).predict(predictions[[*recipe.features]].to_numpy())
    np.testing.assert_allclose(served, predicted, rtol=1e-9)
    profile = Profile.from_json(json.loads((out / outputs.PROFILE).read_bytes()))
    assert (profile.rows, tuple(profile.columns)) == (442, recipe.columns)
    for name in ("residuals.png", "predicted.png"):
        assert (out / outputs.PLOTS / name).read_bytes().startswith(b"\x89PNG")
    assert not [file for file in (out / outputs.MODEL).iterdir() if file.suffix in (".pkl", ".pickle")]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*AnyType:UserWarning")
def test_mlflow_reads_the_model_and_predicts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.pyfunc

    recipe = examples.recipe(estimator=lambda: make_pipeline(StandardScaler(), GradientBoostingRegressor()))
    uri = tables.write(tmp_path / "t", examples.rows())
    assert train(monkeypatch, recipe, uri, tmp_path / "out") == 0
    predictions = pd.read_parquet(tmp_path / "out" / outputs.PREDICTIONS)
    model = mlflow.pyfunc.load_model(str(tmp_path / "out" / outputs.MODEL))
    assert list(model.predict(predictions[["a", "b"]])) == list(predictions[outputs.PREDICTION])
    assert model.metadata.get_input_schema().input_names() == ["a", "b"]
    assert model.metadata.saved_input_example_info is not None


@pytest.mark.long
def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = tables.write(tmp_path / "t", examples.rows())
    for name in ("one", "two"):
        assert train(monkeypatch, examples.recipe(), uri, tmp_path / name) == 0
    stable = [
        outputs.PORTABLE + "/weights.json",
        outputs.PREDICTIONS,
        outputs.METRICS,
        outputs.PLOTS + "/residuals.png",
    ]
    for name in stable:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_failing_fit_fails_the_job_and_leaves_no_result(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> GradientBoostingRegressor:
        return GradientBoostingRegressor(n_estimators=-1)

    out = tmp_path / "out"
    out.mkdir()
    (out / outputs.RESULT).write_text("{}")
    uri = tables.write(tmp_path / "t", examples.rows())
    assert train(monkeypatch, examples.recipe(estimator=broken), uri, out) == 1
    assert "Traceback" in capsys.readouterr().out
    assert "`fit` of GradientBoostingRegressor failed: InvalidParameterError: The 'n_estimators'" in caplog.text
    assert not (out / outputs.RESULT).exists()


def test_what_cannot_be_done_is_said_with_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = tables.write(tmp_path / "t", examples.rows(3))
    assert train(monkeypatch, examples.recipe(), uri, tmp_path / "out", "--param", "x=1") == 2
    assert "takes no parameter" in capsys.readouterr().err
    assert train(monkeypatch, examples.recipe(), uri, tmp_path / "out") == 1
    monkeypatch.undo()
    assert job.main(["--recipe", "none", "--dataset-version", "0", "--out", str(tmp_path)]) == 2
    assert "there is no recipe 'none'" in capsys.readouterr().err


def test_the_compute_waits_for_the_file_that_the_job_writes_last() -> None:
    assert jobs.RESULT == outputs.RESULT
