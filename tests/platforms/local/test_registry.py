from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from platforms.errors import NotFoundError, PlatformError
from platforms.local.registry import MlflowRegistry
from tests.conftest import copy_database
from tests.platforms.contracts.registry import RegistryContract, job, outputs


@pytest.fixture
def registry(mlflow_database: Path, tmp_path: Path) -> MlflowRegistry:
    copy_database(mlflow_database, tmp_path / "state")
    return MlflowRegistry(tmp_path / "state")


class TestMlflowRegistry(RegistryContract):
    pass


def test_mlflow_shows_the_run_with_its_model(registry: MlflowRegistry, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    folder = outputs(tmp_path / "o")
    page = registry.record(job("r-1", 5), folder, {"flow_run": "f"})
    run = page.rsplit("/", 1)[1]
    version = registry.register(job("r-1", 5), folder, {})
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    found = client.get_run(run)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"alpha": "0.4"}
    assert found.data.metrics == {"mse": 2.5, "mae": 1.0}
    assert found.data.tags["ridgeline.dataset_version"] == "5"
    assert found.data.tags["flow_run"] == "f"
    assert {item.path for item in client.list_artifacts(run)} == {"plots", "result.json"}
    model = client.get_model_version("r", str(version.version))
    assert model.run_id == run
    assert (Path(model.source.removeprefix("file://")) / "file").read_text() == "model"


def test_a_crash_between_copy_and_version_leaves_no_hole(registry: MlflowRegistry, tmp_path: Path) -> None:
    folder = outputs(tmp_path / "o")
    kept = registry._outputs("r", "r-1")
    shutil.copytree(folder, kept)
    assert registry.register(job("r-1"), folder, {}).version == 1
    assert registry.outputs("r", 1) == kept


def test_a_database_that_fails_is_no_first_release(registry: MlflowRegistry, tmp_path: Path) -> None:
    registry.promote("r", registry.register(job("r-1"), outputs(tmp_path / "o"), {}).version, None)
    with sqlite3.connect(registry.uri.removeprefix("sqlite:///")) as database:
        database.execute("alter table registered_models rename to away")
        database.execute("alter table registered_model_aliases rename to also_away")
    database.close()
    with pytest.raises(PlatformError, match=r"cannot be read, try again: .*no such table"):
        registry.champion("r")
    with pytest.raises(PlatformError, match=r"cannot be read, try again: .*no such table") as raised:
        registry.get("r", 1)
    assert not isinstance(raised.value, NotFoundError)
