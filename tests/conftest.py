"""What every test may use: a platform of its own in a temporary folder, free ports, and Prefect's test server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms import selection
from platforms.protocols import Platform
from platforms.settings import Settings
from tests import prefect_server as server
from tests.ports import free_port

_HOME = tempfile.TemporaryDirectory(prefix="ridgeline-tests-", ignore_cleanup_errors=True)
# Before anything imports Prefect: a developer's `.env` may point to services of a state folder that is gone.
os.environ["PREFECT_HOME"] = _HOME.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep everything that needs a Prefect server on one worker, so that only one has to be started."""
    for item in items:
        if "prefect_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("prefect"))


@pytest.fixture(autouse=True)
def _platform_of_the_test(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local one, unless the test asks for the offline Azure, which leads its worker's whole session to itself."""
    if not {"emulator", "world"} & {*request.fixturenames}:
        monkeypatch.setenv("RIDGELINE_PLATFORM", "local")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that point into the test's folder, in the environment too, so that child processes see the same."""
    monkeypatch.setenv("RIDGELINE_STATE", str(tmp_path / "state"))
    for name in ("PREFECT_PORT", "QA_PORT", "PROD_PORT", "MLFLOW_PORT"):
        monkeypatch.setenv(f"RIDGELINE_{name}", str(free_port()))
    return Settings()


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    """The local platform in the test's folder, as the tasks see it."""
    selection.current.cache_clear()
    yield selection.current()
    selection.current.cache_clear()


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: to make one takes seconds, to copy it none."""
    from platforms.local.registry import MlflowRegistry

    state = tmp_path_factory.mktemp("mlflow")
    MlflowRegistry(state).prepare()
    return state / "mlflow" / "mlflow.db"


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server that flows of this worker report to."""
    from prefect.events.worker import EventsWorker
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    # A run's end waits up to a second for its heartbeat thread, and there is nobody here to watch hearts.
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
    with server.prefect_server() as url, temporary_settings({PREFECT_API_URL: url, **quiet}):
        yield
        EventsWorker.drain_all()


@pytest.fixture(scope="session")
def deployments(prefect_server: None) -> None:
    """The deployments of the default recipe on the tests' server."""
    from tests.deployed import publish_deployments

    publish_deployments()
