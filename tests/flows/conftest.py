from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

import pyarrow as pa
import pytest

from platforms import selection
from platforms.errors import JobFailedError
from platforms.lines import unheard
from platforms.local.endpoint_files import EndpointFiles
from platforms.local.replicas import ReplicaSets
from platforms.platform import Platform
from platforms.settings import Settings
from platforms.usage import Usage
from platforms.values import TrainingJob
from recipes import catalog
from tasks import listening, reconciling
from tasks.areas import batch_id, resting_place
from tests.background import background
from tests.conftest import copy_database
from tests.deployed import default_recipe_only as default_recipe_only
from tests.deployed import forget_runs
from tests.platforms.contracts.datasets import append
from tests.tasks.made import make_outputs
from tests.waiting import wait_for

Land = Callable[[str, bytes], str]
"""What the fixture `landed` is: put these bytes under this name, and get the path."""


class InTurn(Executor):
    """Runs what it is given at once, so that nothing of a test goes on after it."""

    def __init__(self, *_: object) -> None:
        """The number and the name of the threads do not matter."""

    def submit(self, work: Callable[[], None]) -> Future[None]:  # type: ignore[override]  # of what is submitted here
        """Do it."""
        work()
        done = Future[None]()
        done.set_result(None)
        return done


@pytest.fixture(autouse=True)
def _listeners_restore_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "ThreadPoolExecutor", InTurn)


@dataclasses.dataclass
class ScriptedCompute:
    """A compute whose next job makes a model that is off by `shift`; a negative one fails."""

    folder: Path
    shift: float = 0.0

    def run(
        self, job: TrainingJob, on_line: Callable[[str], None], on_status: Callable[[str], None] = unheard
    ) -> Path:
        on_status(f"job {job.name} is Queued")
        on_line(f"training {job.name} on dataset version {job.dataset_version}")
        if self.shift < 0:
            raise JobFailedError(f"job {job.name} ended with 1:\nsingular matrix")
        folder = self.folder / job.name
        if not folder.exists():
            Usage(3.0, 60.0, 0.01, "USD").write(make_outputs(folder, self.shift))
        return folder


@pytest.fixture
def compute(tmp_path: Path) -> ScriptedCompute:
    return ScriptedCompute(tmp_path / "scripted")


@pytest.fixture
def loop_platform(
    settings: Settings,
    compute: ScriptedCompute,
    mlflow_database: Path,
    image_environments: Path,
    prefect_server: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    """The local platform with a scripted compute, as the flows of this test see it."""
    copy_database(mlflow_database, settings.state_dir)
    (settings.state_dir / "envs").symlink_to(image_environments)
    built = dataclasses.replace(selection.load(settings), compute=compute)
    monkeypatch.setattr(selection, "load", lambda _: built)
    selection.current.cache_clear()
    yield built
    selection.current.cache_clear()


@pytest.fixture
def supervised(settings: Settings) -> Iterator[None]:
    """The supervisor's side of the endpoints."""
    with background(ReplicaSets(settings).run):
        wait_for(EndpointFiles(settings).supervised)
        yield


@pytest.fixture
def landed(loop_platform: Platform) -> Callable[[str, bytes], str]:
    """Put content into the landing folder; returns its path."""

    def land(name: str, content: bytes) -> str:
        return loop_platform.storage.write(f"landing/diabetes/{name}", content).path

    return land


@pytest.fixture
def data(landed: Callable[[str, bytes], str], loop_platform: Platform) -> int:
    """The seed data, in the table and filed as the flow does it, without a run of the flow; the dataset version."""
    blob = loop_platform.storage.stat(landed("seed.csv", seed_csv()))
    rows = pa.Table.from_pandas(catalog.load("diabetes").seed_data(), preserve_index=False)
    append(loop_platform.datasets, "diabetes", rows.to_reader(), batch_id(blob))
    loop_platform.storage.move(blob, resting_place(blob, "Accepted"))
    return loop_platform.datasets.version("diabetes").version


def seed_csv(rows: slice = slice(None)) -> bytes:
    """Rows of the seed data as they would arrive."""
    content: bytes = catalog.load("diabetes").seed_data()[rows].to_csv(index=False).encode()
    return content


def content(platform: Platform, path: str) -> bytes:
    """Everything that a blob holds."""
    with platform.storage.open(path) as stream:
        return stream.read()


@pytest.fixture
def no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of an earlier test is under way or has used up attempts, and no file is waited for."""
    forget_runs()
    monkeypatch.setattr(reconciling, "SETTLED", 0.0)
