from __future__ import annotations

from pathlib import Path

import pytest

from platforms.errors import ConflictError, PlatformError
from platforms.local.storage import LocalStorage
from tests.platforms.contracts.storage import StorageContract


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> LocalStorage:
        return LocalStorage(tmp_path / "root")


def test_half_written_files_are_not_listed(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    (tmp_path / ".tmp-0").write_bytes(b"half")
    assert storage.list("") == []
    with pytest.raises(PlatformError, match="is reserved"):
        storage.write("a/.tmp-0", b"")


@pytest.mark.parametrize("again", [False, True])
def test_what_replaces_a_blob_in_the_moment_it_is_moved_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    storage, replace = LocalStorage(tmp_path), Path.replace
    blob = storage.write("landing/x", b"old")

    def late(self: Path, target: Path) -> None:
        monkeypatch.undo()
        storage.write("landing/x", b"new")
        replace(self, target)
        if again:
            storage.write("landing/x", b"newest")

    monkeypatch.setattr(Path, "replace", late)
    with pytest.raises(ConflictError, match="'landing/x' was replaced"):
        storage.move(blob, "accepted/x")
    assert (tmp_path / "landing" / "x").read_bytes() == (b"newest" if again else b"new")
    assert not (tmp_path / "accepted" / "x").exists()


def test_a_failed_upload_leaves_nothing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "root")
    with pytest.raises(FileNotFoundError):
        storage.upload(tmp_path / "none", "x")
    with pytest.raises(IsADirectoryError):
        storage.upload(tmp_path, "x")
    assert not list((tmp_path / "root").glob("*"))


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "root")
    storage.write("x", b"")
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    (tmp_path / "root" / "dangling").symlink_to(tmp_path / "root" / "none")
    with pytest.raises(PlatformError, match="leaves the storage"):
        storage.write("out/y", b"")
    assert [blob.path for blob in storage.list("")] == ["x"]


def test_a_blob_is_no_folder_of_blobs(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.write("file", b"")
    storage.write("folder/x", b"")
    for path in ("file/x", "folder"):
        with pytest.raises(PlatformError, match=f"blob '{path}' cannot be stored"):
            storage.write(path, b"")
