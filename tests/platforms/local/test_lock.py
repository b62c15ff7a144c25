from __future__ import annotations

from pathlib import Path

import pytest

from platforms.local.lock import FileLockTable
from tests.platforms.contracts.lock import LockContract


class TestFileLockTable(LockContract):
    @pytest.fixture
    def lock(self, tmp_path: Path) -> FileLockTable:
        return FileLockTable(tmp_path / "locks")
