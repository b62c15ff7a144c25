"""Whatever goes wrong on Azure: a retrain and its release end well, or fail in words and end well when run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest
from prefect.client.schemas.objects import State

from flows.release import release
from flows.retrain import retrain
from platforms.platform import Platform
from platforms.values import JournalEntry
from recipes import catalog
from tests.emulator.blobs import Blobs
from tests.emulator.images import ImageStore
from tests.emulator.jobs import Jobs
from tests.emulator.running import adopted
from tests.emulator.world import World
from tests.platforms.azure.faulty import Trouble, every_service
from tests.platforms.contracts import datasets

pytestmark = pytest.mark.filterwarnings("ignore::marshmallow.warnings.RemovedInMarshmallow4Warning")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An Azure of this module's own, where the recipe's versions can be counted."""
    with adopted(tmp_path_factory.mktemp("faults")) as emulator:
        yield emulator.world


@contextmanager
def slow_operations(world: World) -> Iterator[None]:
    world.faults.operation_seconds = 1.0
    try:
        yield
    finally:
        world.faults.operation_seconds = 0.0


@contextmanager
def a_node_is_taken_away(world: World) -> Iterator[None]:
    jobs = world.part(Jobs)
    before = len(jobs.known)
    jobs.preempt(1)
    yield
    assert jobs.takes_node_away() == (len(jobs.known) == before)
    jobs.preempt(0)


@contextmanager
def addresses_have_expired(world: World) -> Iterator[None]:
    world.part(Blobs).expire(2)
    yield


COMMON: dict[str, Trouble] = {
    "throttled": every_service("throttle"),
    "answers are lost": every_service("drop-answer"),
}
RARE: dict[str, Trouble] = {
    "errors": every_service("error"),
    "connections drop": every_service("drop"),
    "slow operations": slow_operations,
    "a node is taken away": a_node_is_taken_away,
    "addresses have expired": addresses_have_expired,
}


@pytest.mark.long
@pytest.mark.parametrize("trouble", COMMON.values(), ids=COMMON)
def test_common_trouble(platform: Platform, world: World, trouble: Trouble) -> None:
    survive(platform, world, trouble)


@pytest.mark.long
@pytest.mark.parametrize("trouble", RARE.values(), ids=RARE)
def test_rare_trouble(platform: Platform, world: World, trouble: Trouble) -> None:
    survive(platform, world, trouble)


def survive(platform: Platform, world: World, trouble: Trouble) -> None:
    """One new version of data becomes one job, one model version, one image and one release."""
    before = counted(platform, world)
    version = append(platform, before["versions"])
    tried(world, trouble, lambda: retrain(at_least=version, force=True, reason="trouble", return_state=True))
    model = platform.registry.versions("diabetes")[-1].version
    tried(world, trouble, lambda: release(model_version=model, return_state=True))
    assert counted(platform, world) - before == Counter(jobs=1, versions=1, images=1, decisions=3)
    champion = platform.registry.champion("diabetes")
    prod = platform.endpoints.status("diabetes", "prod")
    assert champion is not None
    assert prod is not None
    assert (champion.version, prod.model_version, prod.ready) == (model, model, True)


def tried(world: World, trouble: Trouble, run: Callable[[], State]) -> None:
    """Run in trouble; if that fails, in words, run again without."""
    with trouble(world):
        state = run()
    if state.is_failed():
        assert state.message
        state = run()
    assert state.name in ("Registered", "Unchanged", "Released"), state.message


def counted(platform: Platform, world: World) -> Counter[str]:
    return Counter(
        jobs=len(world.part(Jobs).known),
        versions=len(platform.registry.versions("diabetes")),
        images=len(world.part(ImageStore).pushes),
        decisions=len({_decision(entry) for entry in platform.journal.entries("diabetes")}),
    )


def _decision(entry: JournalEntry) -> tuple[object, ...]:
    """What was decided; a release that is run again decides anew what it had come to."""
    return entry.action, entry.environment, entry.model_version


def append(platform: Platform, shift: int) -> int:
    """A batch that never arrived before, accepted; returns the dataset version."""
    frame = catalog.load("diabetes").seed_data()
    rows = pa.Table.from_pandas(frame.assign(Y=frame["Y"] + shift), preserve_index=False)
    return datasets.append(platform.datasets, "diabetes", rows.to_reader(), f"batch {shift}").version
