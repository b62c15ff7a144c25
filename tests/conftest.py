"""What every test may use: a platform of its own in a temporary folder, free ports, and Prefect's test server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms import selection
from platforms.protocols import Platform
from platforms.settings import Settings


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
def prefect_server() -> Iterator[None]:
    """Prefect's own test harness: a server and a database for this worker."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=60):
        yield
