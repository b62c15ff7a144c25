from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from platforms.protocols import EndpointStatus, Image, ModelVersion
from tasks import contract
from tasks.packaging import assemble
from tests.scoring_service.serving import KEY, records, running
from tests.tasks.made import RECIPE, make_outputs


def check(folder: Path, monkeypatch: pytest.MonkeyPatch, version: int = 3) -> None:
    """Test a service that serves version 3 of the model in `folder`."""
    assemble(folder / "context", RECIPE, folder / "job")
    platform = SimpleNamespace(
        secrets=SimpleNamespace(get=lambda name: f"default {KEY}"),
        registry=SimpleNamespace(outputs=lambda recipe, number: folder / "job"),
    )
    monkeypatch.setattr(contract, "current", lambda: platform)
    with running(folder / "context", folder / "logs") as service:
        status = EndpointStatus(
            RECIPE, "qa", f"http://127.0.0.1:{service.port}", 3, Image("diabetes:3-d1", "d1"), True, "key"
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


def test_every_difference_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_outputs(tmp_path / "job")
    make_outputs(tmp_path / "other", shift=1.0)
    shutil.copy(tmp_path / "other" / "predictions.parquet", tmp_path / "job")
    with pytest.raises(contract.ContractError, match=r"model_version is 3, expected '4'; 60 predictions differ"):
        check(tmp_path, monkeypatch, version=4)
