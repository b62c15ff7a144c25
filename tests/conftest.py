"""What every test may use: a platform of its own in a temporary folder, free ports, and Prefect's test server."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest
import trustme
from coverage import Coverage
from filelock import FileLock

from platforms import selection
from platforms.platform import Platform
from platforms.settings import Settings
from tests import launched, measured
from tests import prefect_server as server
from tests.ports import free_port

if "PYTEST_XDIST_WORKER" not in os.environ:
    # Before anything imports Prefect: a developer's `.env` may point to services of a state folder that is gone.
    # Workers have it from here, and those that are forks have imported Prefect already.
    _HOME = tempfile.TemporaryDirectory(prefix="ridgeline-tests-", ignore_cleanup_errors=True)
    os.environ["PREFECT_HOME"] = _HOME.name
else:
    # What most tests need anyway, before coverage begins to look at every line of it: that takes half again as long.
    measured.load(*launched.NEEDED_BY_MOST)

# `make test` plays each property a few times and always the same, `make test-long` often and each time anew.
hypothesis.settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", max_examples=300, deadline=None)
hypothesis.settings.load_profile("quick")


SERVERS = {"prefect_server": "prefect", "emulator": "azure"}
"""Fixtures that take long to start, and the group of the tests that share one of each."""
FIRST = "gw0"
"""The worker that does what one has to do for all."""
LONGEST = (
    "test_end_to_end",
    "test_invocations",
    "test_publishing",
    "test_server_health",
    "test_service",
    "test_shift",
    "benchmarks/",
    "training/",
)
"""What takes seconds by itself, and would keep one worker busy when the others have nothing left to do."""

UNMEASURED = (
    "tests/flows/test_retrain.py",
    "tests/flows/test_validate_data.py",
    "tests/platforms/azure/test_bicep.py",
    "tests/platforms/azure/test_credentials.py",
    "tests/platforms/azure/test_datasets.py",
    "tests/platforms/azure/test_machine_learning.py",
    "tests/recipes/test_shift.py",
    "tests/scoring_service/test_invocations.py",
    "tests/scoring_service/test_openapi.py",
    "tests/tasks/test_gaps.py",
    "tests/tasks/test_mixed_columns.py",
    "tests/tasks/test_packaging.py",
    "tests/test_end_to_end.py",
    "tests/training/test_acceptance.py",
    "tests/training/test_main.py",
    "tests/training/test_onnx_steps.py",
    "tests/training/test_portable.py",
    "tests/training/test_split.py",
)
"""Tests whose time is that of libraries, which coverage would make take half again as long.

What only they cover counts as not covered: what is reported is a lower bound.
"""


def pytest_configure() -> None:
    """Say what is missing before a worker that cannot import it ends without a word of its own."""
    packages = {name.partition(".")[0] for name in launched.NEEDED_BY_MOST}
    if missing := sorted(name for name in packages if find_spec(name) is None):
        raise pytest.UsageError(f"{', '.join(missing)} cannot be imported: `make setup` installs what tests need")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Keep the tests that share a server on one worker, and begin with the longest.

    xdist reads the groups in its own hook, so they are given before, and the order is settled after all others.
    """
    for item in items:
        groups = [group for name, group in SERVERS.items() if name in getattr(item, "fixturenames", ())]
        item.add_marker(pytest.mark.xdist_group(groups[0] if groups else item.nodeid))
    yield
    items.sort(key=lambda item: not any(part in item.nodeid for part in LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None]:
    """Import what is measured, and then the tests, whose own lines coverage would only look at in vain.

    One process is enough to see what imports run: the other workers, and who hands out the tests, do without.
    """
    is_first = session.config.getoption("dist") == "no" and os.environ.get("PYTEST_XDIST_WORKER", FIRST) == FIRST
    if is_first and (coverage := Coverage.current()):
        measured.import_ours(coverage)
    with measured.paused():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Have coverage look away from pytest's own work, which takes five times as long when it does not."""
    with measured.paused():
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Item) -> Generator[None, object, object]:
    with _looking_at(pyfuncitem):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, object, object]:
    with _looking_at(request.node):
        return (yield)


def _looking_at(node: pytest.Item | pytest.Collector) -> AbstractContextManager[None]:
    return nullcontext() if node.nodeid.startswith(UNMEASURED) else measured.resumed()


@pytest.fixture(autouse=True, scope="session")
def _measured() -> Iterator[None]:
    with measured.but_what_is_not_ours(), measured.but_requests():
        yield


@pytest.fixture(autouse=True, scope="session")
def _characters() -> None:
    """Let one worker make Hypothesis's table of all characters, which the others find when they need it."""
    if os.environ.get("PYTEST_XDIST_WORKER") == FIRST:
        with measured.paused():
            hypothesis.strategies.text().validate()


@pytest.fixture(autouse=True)
def _platform_of_the_test(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local one, unless the test asks for the offline Azure."""
    offline = {"emulator", "world"} & {*request.fixturenames}
    monkeypatch.setenv("RIDGELINE_PLATFORM", "azure" if offline else "local")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that point into the test's folder, in the environment too, so that child processes see the same."""
    monkeypatch.setenv("RIDGELINE_STATE", str(tmp_path / "state"))
    for name in ("PREFECT_PORT", "QA_PORT", "PROD_PORT", "MLFLOW_PORT"):
        monkeypatch.setenv(f"RIDGELINE_{name}", str(free_port()))
    return Settings()


@pytest.fixture
def platform(settings: Settings, mlflow_database: Path) -> Iterator[Platform]:
    """The local platform in the test's folder, as the tasks see it."""
    copy_database(mlflow_database, settings.state_dir)
    selection.current.cache_clear()
    yield selection.current()
    selection.current.cache_clear()


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, made once for all workers: to make one takes seconds, to copy it none."""
    from platforms.local.registry import MlflowRegistry

    state = _shared(tmp_path_factory) / "prepared"
    database = state / "mlflow" / "mlflow.db"
    with FileLock(f"{state}.lock"):
        if not database.exists():
            measured.load("mlflow.store.tracking.sqlalchemy_store")
            with measured.paused():
                MlflowRegistry(state).prepare()
    return database


@pytest.fixture(scope="session")
def image_environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the images' environments, for tests of what images do: to install one takes seconds."""
    folder = _shared(tmp_path_factory) / "envs"
    folder.mkdir(exist_ok=True)
    return folder


def _shared(factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run of the tests have in common."""
    folder = factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def copy_database(database: Path, state: Path) -> None:
    """Give a state folder the empty MLflow database."""
    (state / "mlflow").mkdir(parents=True, exist_ok=True)
    shutil.copy(database, state / "mlflow")


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect server that flows of this worker report to."""
    from prefect.events.worker import EventsWorker
    from prefect.settings import (
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_API_URL,
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    # A run's end waits up to a second for its heartbeat thread, and there is nobody here to watch hearts.
    # Each client would read all certificate authorities anew, for a server that speaks plain HTTP: one is enough.
    authority = tmp_path_factory.mktemp("authority") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    quiet = {
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
        PREFECT_API_SSL_CERT_FILE: str(authority),
    }
    with server.prefect_server() as url, temporary_settings({PREFECT_API_URL: url, **quiet}):
        yield
        EventsWorker.drain_all()


@pytest.fixture(scope="session")
def deployments(prefect_server: None) -> None:
    """The deployments of the default recipe on the tests' server."""
    from tests.deployed import publish_deployments

    publish_deployments()
