from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from platforms.errors import PlatformError
from platforms.local import sockets


def test_all_that_ask_at_once_get_the_same_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(sockets.identity, [tmp_path / "state"] * 32))
    assert len(found) == 1
    assert [file.name for file in (tmp_path / "state").iterdir()] == ["postgres.id"]


def test_the_identity_does_not_follow_from_the_path(tmp_path: Path) -> None:
    first = sockets.identity(tmp_path)
    (tmp_path / "postgres.id").unlink()
    assert sockets.identity(tmp_path) != first


def test_the_folder_is_closed_to_others_and_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path("/tmp") == sockets.SHORT
    monkeypatch.setattr(sockets, "SHORT", tmp_path)
    path = sockets.launcher(tmp_path / "state")
    assert sockets.scratch(tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_mode & 0o777 == 0o711
    assert len(path.relative_to(tmp_path).parts[0]) == len("ridgeline-") + 16


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").symlink_to("theirs")
    with pytest.raises(PlatformError, match="belongs to somebody else"):
        sockets.own(tmp_path / "ours")
