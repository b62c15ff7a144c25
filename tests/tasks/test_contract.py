from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from platforms.values import EndpointStatus, Image, ModelVersion
from tasks import contract
from tasks.contract import TOLERANCE, _unequal
from tasks.packaging import assemble
from tests.scoring_service.serving import KEY, records, running
from tests.tasks.made import RECIPE, make_outputs

SINGLE = {"relative": 1e-5, "absolute": 1e-3}


def check(folder: Path, monkeypatch: pytest.MonkeyPatch, version: int = 3, **limits: int) -> None:
    """Test a service with these limits that serves version 3 of the model in `folder`."""
    assemble(folder / "context", RECIPE, folder / "job")
    platform = SimpleNamespace(
        secrets=SimpleNamespace(get=lambda name: f"default {KEY}"),
        registry=SimpleNamespace(outputs=lambda recipe, number: folder / "job"),
    )
    monkeypatch.setattr(contract, "current", lambda: platform)
    with running(folder / "context", folder / "logs", None, **limits) as service:
        status = EndpointStatus(
            RECIPE, "qa", f"http://127.0.0.1:{service.port}", 3, Image("diabetes:3-d1", "d1"), True
        )
        contract.check_endpoint(ModelVersion(RECIPE, version, {}), status)


def test_the_requests_of_the_tests_can_be_told_apart_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_outputs(tmp_path / "job")
    check(tmp_path, monkeypatch)
    ids = [record["request_id"] for record in records(tmp_path / "logs")]
    assert ids
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("api-test-local-qa-") for name in ids)


@pytest.mark.parametrize("limits", [{"max_rows": 7}, {"max_body_bytes": 1500}])
def test_the_limits_of_the_service_are_not_held_against_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    make_outputs(tmp_path / "job")
    check(tmp_path, monkeypatch, **limits)
    assert sum(len(record["inputs"]) for record in records(tmp_path / "logs")) == 60


def test_a_service_that_takes_no_row_at_all_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_outputs(tmp_path / "job")
    with pytest.raises(contract.ContractError, match="holdout rows from 0 answered 413"):
        check(tmp_path, monkeypatch, max_body_bytes=100)


def test_every_difference_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_outputs(tmp_path / "job")
    make_outputs(tmp_path / "other", shift=1.0)
    shutil.copy(tmp_path / "other" / "predictions.parquet", tmp_path / "job")
    with pytest.raises(contract.ContractError, match=r"model_version is 3, expected '4'; 60 predictions differ"):
        check(tmp_path, monkeypatch, version=4)


@pytest.mark.parametrize(
    ("off", "tolerance", "differ"),
    [
        (1e-10, TOLERANCE, 0),
        (1e-8, TOLERANCE, 2),
        (1e-8, {"relative": 1e-9, "absolute": 1e-12}, 2),
        (1e-6, SINGLE, 0),
        (1e-4, SINGLE, 1),
    ],
)
def test_served_predictions_may_differ_as_far_as_their_form_does(
    off: float, tolerance: dict[str, float], differ: int
) -> None:
    expected = np.array([0.5, 0.0, 200.0])
    found = list(_unequal(expected * (1 + off), expected, 40, tolerance))
    assert [text.split(" ")[0] for text in found] == ([str(differ)] if differ else [])
    if differ:
        assert f"row {40 if differ == 2 else 42}" in found[0]


def test_a_missing_prediction_is_a_difference() -> None:
    assert list(_unequal(np.zeros(2), np.zeros(3), 0, TOLERANCE)) == ["2 predictions for 3 rows"]
