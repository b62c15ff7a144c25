from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from platforms.azure import clients, lease
from platforms.azure.settings import AzureSettings
from platforms.errors import ConflictError


def test_turns_are_taken_one_by_one(azure: AzureSettings) -> None:
    container, path, inside = clients.container(azure), f"locks/{uuid.uuid4()}", list[int]()

    def work(number: int) -> None:
        with lease.lease(container, path):
            inside.append(number)
            assert inside == [number]
            inside.clear()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))


def test_one_that_waits_too_long_says_for_what(azure: AzureSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    container, path = clients.container(azure), f"locks/{uuid.uuid4()}"
    monkeypatch.setattr(lease, "PATIENCE", 0.2)
    refused = pytest.raises(ConflictError, match=f"lease of https://.*{path}")
    with lease.lease(container, path), refused, lease.lease(container, path):
        pytest.fail("two had the turn")
    with lease.lease(container, path):
        pass
