from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms import selection
from platforms.azure import clients
from platforms.azure.images import AzureImages
from platforms.azure.machine_learning import MachineLearning
from platforms.azure.settings import AzureSettings
from platforms.azure.storage import BlobStorage
from platforms.azure.telemetry import MonitorTelemetry
from platforms.platform import Platform
from tasks import claim
from tests import measured
from tests.emulator.blobs import Blobs
from tests.emulator.emulator import Emulator
from tests.emulator.images import ImageStore
from tests.emulator.running import adopted
from tests.emulator.world import World
from tests.platforms.azure.aks_bench import AksBench
from tests.platforms.azure.workspaces import Workspace
from tests.scoring_service.contexts import make_context, write_manifest


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One provisioned offline Azure for all tests of this worker; names within it must be the test's own."""
    measured.load("azure.ai.ml", "kubernetes.client.api.core_v1_api", "kubernetes.client.api.apps_v1_api")
    with adopted(tmp_path_factory.mktemp("azure")) as made:
        yield made


@pytest.fixture(scope="session")
def world(emulator: Emulator) -> World:
    return emulator.world


@pytest.fixture(scope="session")
def azure(emulator: Emulator) -> AzureSettings:
    """The settings that the emulator's environment makes."""
    return AzureSettings()


@pytest.fixture(scope="session")
def machine_learning(azure: AzureSettings) -> MachineLearning:
    """The workspace; its client takes seconds to import."""
    return MachineLearning(azure.model_copy(update={"poll_seconds": 0.05}))


@pytest.fixture
def workspace(machine_learning: MachineLearning, tmp_path: Path) -> Workspace:
    """The adapters of Azure ML and of the container registry, with a folder of their own."""
    storage = BlobStorage(clients.container(machine_learning.settings))
    return Workspace(machine_learning, storage, tmp_path / "workspace")


@pytest.fixture
def images(workspace: Workspace) -> AzureImages:
    return AzureImages(workspace.settings, workspace.storage)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """An image's context that no other test has."""
    folder = make_context(tmp_path / "context")
    (folder / "conda.yaml").write_text(f"name: {tmp_path.as_posix()}\n")
    write_manifest(folder)
    return folder


@pytest.fixture
def store(world: World) -> Iterator[ImageStore]:
    """What was pushed; addresses do not expire."""
    yield world.part(ImageStore)
    world.part(Blobs).expire(0)


@pytest.fixture
def platform(
    world: World, prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """The Azure platform as the flows see it; what this machine keeps is in the test's folder.

    Each test is an installation of its own, which takes over from the one before.
    """
    monkeypatch.setenv("RIDGELINE_STATE", str(tmp_path / "state"))
    selection.current.cache_clear()
    built = selection.current()
    claim.take_over()
    yield built
    assert isinstance(built.telemetry, MonitorTelemetry)
    built.telemetry._provider.shutdown()
    selection.current.cache_clear()


@pytest.fixture
def passing(azure: AzureSettings) -> AzureSettings:
    """For endpoints that a test makes and takes away."""
    return azure.model_copy(
        update={"ship_logs": False, "replica_timeout": 30.0, "pull_timeout": 1.0, "drain_timeout": 1.0}
    )


@pytest.fixture
def recipe_of_test(request: pytest.FixtureRequest) -> str:
    """A recipe's name that no other test has on the shared emulator."""
    return f"r{zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def aks(world: World, passing: AzureSettings, tmp_path: Path, recipe_of_test: str) -> Iterator[AksBench]:
    """Endpoints on AKS with one replica."""
    made = AksBench(world, passing.model_copy(update={"min_replicas": 1}), tmp_path, recipe_of_test)
    yield made
    made.endpoints.withdraw(made.recipe, "prod")


@pytest.fixture
def aks_pair(aks: AksBench) -> AksBench:
    """The same with two replicas, as it is by default."""
    aks.settings = aks.settings.model_copy(update={"min_replicas": 2})
    aks.endpoints = aks.forcing()
    return aks
