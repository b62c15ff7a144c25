from __future__ import annotations

from pathlib import Path

import pytest

from platforms.azure.folders import Folders
from platforms.local.storage import LocalStorage

PATH = "jobs/r-1/outputs"


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage")


def test_a_folder_is_downloaded_once(storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write(f"{PATH}/model/weights", b"w")
    storage.write(f"{PATH}/result.json", b"{}")
    folder = Folders(storage, tmp_path / "cache").download(PATH)
    assert folder.parts[-3:] == ("jobs", "r-1", "outputs")
    assert (folder / "model" / "weights").read_bytes() == b"w"
    monkeypatch.delattr(LocalStorage, "open")
    assert Folders(storage, tmp_path / "cache").download(PATH) == folder


def test_what_another_storage_had_there_is_not_taken_for_it(storage: LocalStorage, tmp_path: Path) -> None:
    storage.write(f"{PATH}/result.json", b"of an installation that was destroyed")
    Folders(storage, tmp_path / "cache").download(PATH)
    new = LocalStorage(tmp_path / "new")
    new.write(f"{PATH}/result.json", b"new")
    assert (Folders(new, tmp_path / "cache").download(PATH) / "result.json").read_bytes() == b"new"


def test_what_was_incomplete_is_looked_for_again(storage: LocalStorage, tmp_path: Path) -> None:
    folders = Folders(storage, tmp_path / "cache")
    storage.write(f"{PATH}/metrics.json", b"{}")
    assert not (folders.download(PATH) / "result.json").exists()
    storage.write(f"{PATH}/result.json", b"{}")
    assert (folders.download(PATH) / "result.json").exists()
