from __future__ import annotations

import uuid

import pytest

from platforms.azure import clients
from platforms.azure.lock import BlobLockTable
from platforms.azure.settings import AzureSettings
from platforms.azure.texts import Texts
from tests.emulator.faults import Fault
from tests.emulator.world import World
from tests.platforms.contracts.lock import LockContract


@pytest.fixture
def lock(azure: AzureSettings) -> BlobLockTable:
    return BlobLockTable(Texts(clients.container(azure), f"locks/{uuid.uuid4()}"))


class TestBlobLockTable(LockContract):
    pass


@pytest.mark.parametrize(("expected", "owner"), [(None, "f2"), ("f1", "f2"), ("f1", None)])
def test_a_swap_whose_answer_is_lost_counts(
    lock: BlobLockTable, world: World, expected: str | None, owner: str | None
) -> None:
    assert lock.swap("r", None, expected)
    with world.faults.on(Fault("drop-answer", "/locks/", "PUT")):
        assert lock.swap("r", expected, owner)
    assert lock.owner("r") == owner
