"""Request logs on their way from a replica's volume to whoever asks for them, over Blob Storage."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from log_shipper.shipping import ship
from platforms.azure import clients
from platforms.azure.settings import AzureSettings
from platforms.azure.storage import BlobStorage
from platforms.errors import PlatformError
from platforms.shipped import ShippedLog
from tests.emulator.faults import Fault
from tests.emulator.world import World
from tests.log_shipper.made import ALWAYS, RECIPE, closed, ids, many


@pytest.fixture
def storage(azure: AzureSettings) -> BlobStorage:
    """A container of the test's own."""
    container = clients.container(azure.model_copy(update={"container": f"traffic-{uuid.uuid4()}"}))
    container.create_container()
    return BlobStorage(container)


def test_what_was_shipped_is_read(storage: BlobStorage, tmp_path: Path) -> None:
    assert ship(storage, closed(tmp_path, *many(50))) == 50
    assert ids(list(ShippedLog(storage).read(RECIPE, *ALWAYS))) == ids_of(50)


def test_a_segment_stays_until_all_of_it_is_stored(storage: BlobStorage, tmp_path: Path, world: World) -> None:
    segment = closed(tmp_path, *many(50))
    with world.faults.on(Fault("error", "/scoring-logs/", "PUT", times=100)), pytest.raises(PlatformError):
        ship(storage, segment)
    assert segment.exists()
    with world.faults.on(Fault("drop-answer", "/scoring-logs/", "PUT")):
        ship(storage, segment)
    assert not segment.exists()
    assert ids(list(ShippedLog(storage).read(RECIPE, *ALWAYS))) == ids_of(50)


def ids_of(count: int) -> list[str]:
    return sorted(f"id-{number}" for number in range(count))
