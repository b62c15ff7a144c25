from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from platforms import races
from platforms.azure.machine_learning import MachineLearning
from platforms.azure.registry import AzureRegistry
from platforms.errors import ConflictError, NotFoundError, PlatformError
from tests.emulator.faults import Fault, Kind
from tests.emulator.world import World
from tests.platforms.azure.faulty import KINDS
from tests.platforms.azure.workspaces import Workspace
from tests.platforms.contracts.registry import RegistryContract, job, outputs

MODELS = "/workspaces/ridgeline/models/"


@pytest.fixture
def registry(workspace: Workspace, world: World) -> AzureRegistry:
    """A registry in a workspace that has no model, and in which the contract's jobs have run."""
    of_workspace = f"{world.group_id}/providers/Microsoft.MachineLearningServices/workspaces/ridgeline"
    for name in ("r", "s"):
        world.resources.remove(f"{of_workspace}/models/{name}")
    for name in ("r-1", "r-2"):
        properties = {"jobType": "Command", "status": "Completed", "experimentName": "r", "command": "true"}
        world.resources.put(f"{of_workspace}/jobs/{name}", {"properties": properties})
    return workspace.registry(uuid.uuid4().hex)


class TestAzureRegistry(RegistryContract):
    pass


def test_the_run_has_lineage_and_metrics_as_tags(
    registry: AzureRegistry, machine_learning: MachineLearning, tmp_path: Path
) -> None:
    page = registry.record(job("r-1"), outputs(tmp_path / "o"), {"flow_run": "f1"})
    assert "/runs/r-1?" in page
    tags = machine_learning.client.jobs.get("r-1").tags
    assert tags == {"flow_run": "f1", "metric.mse": "2.5", "metric.mae": "1"}


def test_a_job_that_never_ran_here_has_no_history(registry: AzureRegistry, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no job r-9 in workspace ridgeline"):
        registry.record(job("r-9"), outputs(tmp_path / "o"), {})


def test_the_model_is_an_mlflow_model_whose_stage_follows_the_champion(
    registry: AzureRegistry, machine_learning: MachineLearning, tmp_path: Path
) -> None:
    folder, models = outputs(tmp_path / "o"), machine_learning.client.models
    registry.register(job("r-1", 5), folder, {"git": "abc"})
    registry.register(job("r-2"), folder, {})
    found = models.get("r", "1")
    assert (found.type, found.stage, found.tags) == ("mlflow_model", "Development", {"git": "abc"})
    assert found.properties == {"ridgeline.job": "r-1", "ridgeline.dataset_version": "5"}
    assert found.path.endswith("/datastores/ridgeline/paths/models/r/r-1/model")
    registry.promote("r", 1, None)
    registry.promote("r", 2, 1)
    assert [models.get("r", version).stage for version in "12"] == ["Archived", "Production"]
    assert registry.get("r", 1).tags["git"] == "abc"
    assert "/model/r:2/details?" in registry.url("r", 2)


def test_a_stage_that_cannot_be_shown_keeps_no_champion_from_its_place(
    registry: AzureRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PlatformError("the workspace does not answer")

    folder = outputs(tmp_path / "o")
    for number in (1, 2):
        registry.register(job(f"r-{number}"), folder, {})
    registry.promote("r", 1, None)
    monkeypatch.setattr(registry, "_set_stage", refuse)
    registry.promote("r", 2, 1)
    champion = registry.champion("r")
    assert champion is not None
    assert champion.version == 2
    assert "version 1 of model r is not shown as Archived: the workspace does not answer" in caplog.text


def test_an_archived_version_keeps_its_number(
    registry: AzureRegistry, machine_learning: MachineLearning, tmp_path: Path
) -> None:
    folder = outputs(tmp_path / "o")
    registry.register(job("r-1"), folder, {})
    machine_learning.client.models.archive("r", "1")
    assert registry.register(job("r-2"), folder, {}).version == 2
    assert [model.version for model in registry.versions("r")] == [1, 2]


def test_versions_that_others_registered_are_passed_over(
    registry: AzureRegistry, machine_learning: MachineLearning, tmp_path: Path
) -> None:
    models = machine_learning.client.models  # Imports the SDK, whose warnings would be errors here.
    from azure.ai.ml.entities import Model

    foreign = "azureml://datastores/ridgeline/paths/elsewhere"
    for version in ("1", "10", "by-hand"):
        models.create_or_update(Model(name="r", version=version, type="custom_model", path=foreign))
    assert registry.register(job("r-1"), outputs(tmp_path / "o"), {}).version == 11
    assert [model.version for model in registry.versions("r")] == [11]
    with pytest.raises(NotFoundError, match="version 1 of model 'r' was not registered by Ridgeline"):
        registry.get("r", 1)


def test_of_racing_jobs_each_gets_a_number_of_its_own(registry: AzureRegistry, tmp_path: Path) -> None:
    folder = outputs(tmp_path / "o")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: registry.register(job(f"r-{n % 3}"), folder, {}), range(6)))
    assert sorted({model.version for model in made}) == [1, 2, 3]
    assert len(registry.versions("r")) == 3


def test_a_number_whose_version_is_not_listed_yet_is_tried_again_but_not_for_ever(
    registry: AzureRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, listed = outputs(tmp_path / "o"), registry._list
    registry.register(job("r-1"), folder, {})
    upload = Mock(side_effect=registry._folders.upload)
    monkeypatch.setattr(registry, "_folders", Mock(upload=upload))
    monkeypatch.setattr(races, "ATTEMPTS", 2)
    monkeypatch.setattr(registry, "_list", lambda recipe: [])
    with pytest.raises(ConflictError, match=r"job r-2 got no version in 2 attempts, .*version 1 was taken"):
        registry.register(job("r-2"), folder, {})
    upload.assert_called_once()
    monkeypatch.setattr(registry, "_list", Mock(side_effect=[[], [], listed("r")]))
    assert registry.register(job("r-2"), folder, {}).version == 2


def test_of_racing_releases_one_wins(registry: AzureRegistry, tmp_path: Path) -> None:
    folder = outputs(tmp_path / "o")
    for number in range(4):
        registry.register(job(f"r-{number}"), folder, {})

    def wins(version: int) -> bool:
        try:
            registry.promote("r", version, None)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(wins, [1, 2, 3, 4]))
    assert sum(won) == 1
    champion = registry.champion("r")
    assert champion
    assert won[champion.version - 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_while_registering_makes_one_version(
    registry: AzureRegistry, world: World, tmp_path: Path, kind: Kind
) -> None:
    folder = outputs(tmp_path / "o")
    with world.faults.on(Fault(kind, MODELS, times=2), Fault(kind, "/models/r/", "PUT", times=2)):
        made = registry.register(job("r-1"), folder, {})
    assert registry.versions("r") == [made]
    assert registry.register(job("r-1"), folder, {}) == made
    assert (registry.outputs("r", 1) / "metrics.json").read_text() == json.dumps({"mse": 2.5, "mae": 1.0})


def test_a_promotion_whose_answer_is_lost_counts(registry: AzureRegistry, world: World, tmp_path: Path) -> None:
    registry.register(job("r-1"), outputs(tmp_path / "o"), {})
    with world.faults.on(Fault("drop-answer", "/champions/", "PUT")):
        registry.promote("r", 1, None)
    champion = registry.champion("r")
    assert champion
    assert champion.version == 1


def test_what_the_service_refuses_is_told(registry: AzureRegistry, world: World) -> None:
    with (
        world.faults.on(Fault("error", MODELS, status=403)),
        pytest.raises(PlatformError, match=r"model 'r': 403 .*roles"),
    ):
        registry.versions("r")
