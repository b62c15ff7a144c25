"""A recipe whose rows may lack numbers, from its batches to a served answer, and what the log says of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lightgbm import LGBMRegressor
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor

from cli import log
from log_shipper.shipping import ship
from platforms.local.storage import LocalStorage
from platforms.local.traffic import LocalTrafficLog
from platforms.values import ModelVersion
from recipes import catalog
from recipes.recipe import Estimator
from scoring_service.schema import Value
from tasks import contract, evaluation
from tasks.inspection import Inspection
from tasks.packaging import assemble
from tests.recipes import gaps
from tests.scoring_service.serving import KEY, message, running
from tests.training import tables
from training import __main__ as job
from training import matrix, outputs

FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
AUTHORIZED = {"authorization": f"Bearer {KEY}"}


RELATIVE = 1e-9
"""How far the service may be from the estimator."""


@pytest.mark.parametrize(
    ("estimator", "form"),
    [
        (gaps.imputed, "onnx"),
        pytest.param(partial(HistGradientBoostingRegressor, max_iter=5), "skops", marks=pytest.mark.long),
        pytest.param(partial(LGBMRegressor, n_estimators=5, verbose=-1), "onnx", marks=pytest.mark.long),
    ],
    ids=["imputed", "hist", "lightgbm"],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_from_data_to_a_served_answer(
    estimator: Callable[..., Estimator], form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(gaps.recipe, estimator=estimator, parameters={})
    monkeypatch.setattr(catalog, "load", lambda name: recipe)
    gaps.rows().to_csv(tmp_path / "gaps.csv", index=False)
    checked = Inspection(gaps.recipe, "gaps.csv", tmp_path / "gaps.arrow", None).read(tmp_path / "gaps.csv")
    assert (checked.broken, checked.rows) == ((), 200)
    assert checked.spool is not None
    uri = tables.write(tmp_path / "table", pa.ipc.open_file(checked.spool).read_pandas())
    command = ["--recipe", "gaps", "--dataset-version", "0", "--table", uri, "--out", str(tmp_path / "job")]
    assert job.main(command) == 0
    result = json.loads((tmp_path / "job" / outputs.RESULT).read_text())
    assert (result["form"], result["tolerance"]["relative"]) == (form, RELATIVE)
    examples = [file.read_text() for file in (tmp_path / "job" / outputs.MODEL).glob("*input_example.json")]
    assert ["NaN" in example for example in examples] == [False, False]
    assemble(tmp_path / "context", "gaps", tmp_path / "job")

    holdout = pd.read_parquet(tmp_path / "job" / outputs.PREDICTIONS)
    features, expected = holdout[list(gaps.recipe.features)], holdout[outputs.PREDICTION].to_numpy()
    assert features.isna().any().tolist() == [True, False, True]
    platform = SimpleNamespace(registry=SimpleNamespace(outputs=lambda recipe, version: tmp_path / "job"))
    monkeypatch.setattr(evaluation, "current", lambda: platform)
    np.testing.assert_allclose(evaluation.predict("gaps", 3, holdout), expected, RELATIVE, RELATIVE)

    rows, traffic = matrix.json_rows(features), tmp_path / "traffic"
    assert [None in row for row in rows] == features.isna().any(axis=1).tolist()
    with running(tmp_path / "context", traffic / "gaps" / "prod", environment="prod") as service:
        (answer,) = service.ask(message({"data": rows[:9]}))
        monkeypatch.setattr(contract, "current", lambda: platform)
        with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", headers=AUTHORIZED) as client:
            assert list(contract._parity(client, ModelVersion("gaps", 3, {}))) == []
    assert answer.json["result"] == pytest.approx(expected[:9].tolist(), rel=RELATIVE, abs=RELATIVE)
    _read_back(tmp_path, [rows[:9], rows])


def test_a_model_trained_before_its_recipe_was_nullable_is_not_asked_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gaps.recipe.schema.update_columns({name: {"nullable": False} for name in gaps.recipe.nullable})
    before = replace(gaps.recipe, schema=whole, estimator=GradientBoostingRegressor, parameters={"n_estimators": 3})
    monkeypatch.setattr(catalog, "load", lambda name: before)
    uri = tables.write(tmp_path / "table", gaps.rows().dropna())
    command = ["--recipe", "gaps", "--dataset-version", "0", "--table", uri, "--out", str(tmp_path / "job")]
    assert job.main(command) == 0
    # Its graph answers rows that lack values, which the estimator refuses and nobody has tried.
    assert json.loads((tmp_path / "job" / outputs.RESULT).read_text())["form"] == "onnx"
    monkeypatch.setattr(catalog, "load", lambda name: replace(before, schema=gaps.recipe.schema))
    assemble(tmp_path / "context", "gaps", tmp_path / "job")
    with running(tmp_path / "context", tmp_path / "logs") as service:
        answers = service.ask(message({"data": [[None, 1, 1]]}) + message({"data": [[1, 1, 1]]}))
    assert [answer.status for answer in answers] == [422, 200]


def _read_back(folder: Path, asked: list[list[list[Value | None]]]) -> None:
    """What was asked, as the log has it before and after it is shipped, and as it is exported."""
    storage = LocalStorage(folder / "storage")
    log_ = LocalTrafficLog(folder / "traffic", storage)
    found = [list(log_.read("gaps", FIRST, LAST))]
    for segment in (folder / "traffic").rglob("*.jsonl"):
        ship(storage, segment)
    found.append(list(log_.read("gaps", FIRST, LAST)))
    for requests in found:
        assert [[list(row.values()) for row in each.inputs] for each in requests] == asked
    assert not list((folder / "traffic").rglob("*.jsonl"))
    exported = io.BytesIO()
    assert log.write(exported, found[1]) == 2
    texts = pq.read_table(exported)["inputs"].to_pylist()
    assert [[list(row.values()) for row in json.loads(text)] for text in texts] == asked
    assert not any("NaN" in text for text in texts)
