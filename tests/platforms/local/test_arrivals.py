from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from platforms.local.arrivals import FolderArrivals
from platforms.local.storage import LocalStorage
from platforms.protocols import Storage
from tests.platforms.contracts.arrivals import ArrivalsContract, Heard


class TestFolderArrivals(ArrivalsContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> LocalStorage:
        return LocalStorage(tmp_path)

    @pytest.fixture
    def arrivals(self, storage: Storage) -> FolderArrivals:
        return FolderArrivals(storage, "landing/", settled=0.0)

    @pytest.fixture
    def redelivered(self) -> Callable[[], None]:
        return lambda: None

    def test_a_blob_that_grows_has_to_wait(self, arrivals: FolderArrivals, storage: Storage) -> None:
        heard = Heard()
        for content in (b"a", b"ab", b"abc"):
            storage.write("landing/diabetes/rows.csv", content)
            arrivals.handle(heard.done)
        assert heard.told == []

    def test_a_blob_that_has_just_changed_is_not_complete(self, storage: Storage) -> None:
        heard, patient = Heard(), FolderArrivals(storage, "landing/", settled=3600.0)
        storage.write("landing/diabetes/rows.csv", b"a")
        for _ in range(3):
            patient.handle(heard.done)
        assert heard.told == []
