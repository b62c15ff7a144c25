"""A recipe with texts, integers and truth values, from its batches to a served answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from platforms.local.storage import LocalStorage
from platforms.local.traffic import LocalTrafficLog
from platforms.values import ModelVersion
from recipes import catalog
from recipes.profile import Counter, Profile, known_bins
from recipes.shift import compare
from tasks import contract, evaluation
from tasks.inspection import Checked, Inspection
from tasks.packaging import assemble
from tests.recipes import flats
from tests.recipes.frames import validate
from tests.scoring_service.serving import KEY, message, running
from tests.training import tables
from training import __main__ as job
from training import matrix, outputs

FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
AUTHORIZED = {"authorization": f"Bearer {KEY}"}


def inspect(folder: Path, frame: pd.DataFrame, name: str) -> Checked:
    file = folder / name
    if name.endswith(".csv"):
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file, index=False)
    return Inspection(flats.recipe, name, folder / f"{name}.arrow", None).read(file)


def test_csv_and_parquet_have_the_same_rows(tmp_path: Path) -> None:
    frame = flats.rows(50)
    spelt = frame.assign(garden=frame["garden"].map({True: "1", False: " 0"}))
    found = [
        inspect(tmp_path, rows, name) for rows, name in ((frame, "a.csv"), (frame, "b.parquet"), (spelt, "c.csv"))
    ]
    assert [checked.broken for checked in found] == [(), (), ()]
    assert len({checked.fingerprint for checked in found}) == 1


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("heating", "coal", "breaks isin"),
        ("garden", "perhaps", "is not of type bool"),
        ("garden", "", "must not be empty"),
        ("rooms", "2.5", "is not of type int64"),
        ("district", "", "must not be empty"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, column: str, value: str, rule: str) -> None:
    frame = flats.rows(20).astype("object")
    frame.loc[3, column] = value
    checked = inspect(tmp_path, frame, "a.csv")
    [finding] = checked.broken
    assert (finding.column, finding.rows) == (column, (4,))
    assert finding.rule.startswith(rule)


def test_numbers_are_no_truth_values_in_parquet() -> None:
    frame = flats.rows(20)
    [finding] = validate(flats.recipe, frame.assign(garden=frame["garden"].astype("int64")))
    assert (finding.column, finding.count, finding.rule) == ("garden", 20, "is not of type bool")


def test_a_shift_of_truth_values_is_an_alarm() -> None:
    reference = Profile.of(flats.recipe, _batch(flats.rows(400)))
    same, moved = flats.rows(400, seed=4), flats.rows(400, seed=4).assign(garden=True)
    assert reference.columns["garden"].bins.texts is not None
    assert [_alarms(reference, frame) for frame in (same, moved)] == [[], ["garden"]]


def _batch(frame: pd.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pandas(frame, preserve_index=False)


def _alarms(reference: Profile, frame: pd.DataFrame) -> list[str]:
    counter = Counter(known_bins(flats.recipe, reference))
    counter.add(_batch(frame))
    return [each.column for each in compare(reference, counter.profile(), flats.recipe.quality) if each.alarm]


def test_from_data_to_a_served_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "load", lambda name: flats.recipe)
    frame = flats.rows(300)
    checked = inspect(tmp_path, frame, "flats.csv")
    assert (checked.broken, checked.odd, checked.rows) == ((), (), 300)
    assert checked.spool is not None
    uri = tables.write(tmp_path / "table", pa.ipc.open_file(checked.spool).read_pandas())
    command = ["--recipe", "flats", "--dataset-version", "0", "--table", uri, "--out", str(tmp_path / "job")]
    assert job.main(command) == 0

    result = json.loads((tmp_path / "job" / outputs.RESULT).read_text())
    assert (result["form"], result["tolerance"]["relative"]) == ("onnx", 1e-9)
    profile = Profile.from_json(json.loads((tmp_path / "job" / outputs.PROFILE).read_text()))
    assert profile.columns.keys() == set(frame)
    assemble(tmp_path / "context", "flats", tmp_path / "job")
    pins = {line.partition("==")[0] for line in (tmp_path / "context" / "requirements.txt").read_text().split()}
    assert "onnxruntime" in pins
    assert not pins & {"skl2onnx", "onnx", "scikit-learn", "pandas", "sympy"}

    holdout = pd.read_parquet(tmp_path / "job" / outputs.PREDICTIONS)
    platform = SimpleNamespace(registry=SimpleNamespace(outputs=lambda recipe, version: tmp_path / "job"))
    monkeypatch.setattr(evaluation, "current", lambda: platform)
    expected = holdout[outputs.PREDICTION].to_numpy()
    np.testing.assert_allclose(evaluation.predict("flats", 3, holdout), expected, rtol=1e-9)

    rows = matrix.rows(holdout[result["features"]]).tolist()
    with running(tmp_path / "context", tmp_path / "traffic" / "flats" / "prod", environment="prod") as service:
        (answer,) = service.ask(message({"data": rows}))
        monkeypatch.setattr(contract, "current", lambda: platform)
        with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", headers=AUTHORIZED) as client:
            assert list(contract._parity(client, ModelVersion("flats", 3, {}))) == []
    assert answer.json["result"] == pytest.approx(expected.tolist(), rel=1e-9)
    logged = list(
        LocalTrafficLog(tmp_path / "traffic", LocalStorage(tmp_path / "storage")).read("flats", FIRST, LAST)
    )
    assert [[list(row.values()) for row in each.inputs] for each in logged] == [rows, rows]
