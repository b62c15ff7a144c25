from __future__ import annotations

from pathlib import Path

import pytest

from platforms.local.secrets import FileSecrets
from tests.platforms.contracts.secrets import SecretsContract


class TestFileSecrets(SecretsContract):
    @pytest.fixture
    def secrets(self, tmp_path: Path) -> FileSecrets:
        return FileSecrets(tmp_path / "secrets")


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    root = tmp_path / "secrets"
    root.mkdir(mode=0o755)
    FileSecrets(root).create("k", "v")
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / "k").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in root.iterdir()] == ["k"]
    assert (root / "k").read_bytes() == b"v"
