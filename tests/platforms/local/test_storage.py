from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from platforms.errors import ConflictError, PlatformError
from platforms.local import files
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


def test_a_folder_that_a_move_empties_is_removed_up_to_the_recipes(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    first, second = (storage.write(f"landing/r/a/b/{name}", b"") for name in "xy")
    storage.move(first, "accepted/r/d/x")
    assert (tmp_path / "landing/r/a/b").is_dir()
    storage.move(second, "accepted/r/d/y")
    assert [path.name for path in (tmp_path / "landing").rglob("*")] == ["r"]
    storage.move(storage.write("landing/z", b""), "accepted/z")
    assert (tmp_path / "landing").is_dir()


def test_a_move_that_was_made_and_killed_leaves_no_folder_either(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    blob = storage.write("landing/r/a/x", b"")
    storage.move(blob, "accepted/r/d/x")
    (tmp_path / "landing/r/a").mkdir()
    storage.move(blob, "accepted/r/d/x")
    assert not (tmp_path / "landing/r/a").exists()


def test_a_store_whose_folder_is_removed_in_between_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, made = LocalStorage(tmp_path), files._made

    def removed(folder: Path) -> bool:
        monkeypatch.undo()
        assert made(folder)
        folder.rmdir()
        return True

    monkeypatch.setattr(files, "_made", removed)
    assert storage.write("landing/r/a/x", b"1").size == 1


@pytest.mark.parametrize("error", [FileExistsError, FileNotFoundError])
def test_a_folder_that_is_removed_while_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    storage = LocalStorage(tmp_path)

    def removed(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise error

    monkeypatch.setattr(Path, "mkdir", removed)
    blob = storage.write("landing/r/a/x", b"1")
    monkeypatch.setattr(Path, "mkdir", removed)
    assert storage.move(blob, "accepted/r/a/x").size == 1


def test_a_move_whose_target_folder_is_removed_in_between_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, replace = LocalStorage(tmp_path), Path.replace
    blob = storage.write("quarantine/r/a/x", b"1")

    def removed(self: Path, target: Path) -> Path:
        monkeypatch.undo()
        target.parent.rmdir()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", removed)
    assert storage.move(blob, "accepted/r/b/x").path == "accepted/r/b/x"


def test_stores_and_moves_race_for_one_folder(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)

    def pass_through(number: int) -> None:
        storage.move(storage.write(f"landing/r/a/{number}", b""), f"accepted/r/{number % 3}/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(pass_through, range(60)))
    assert len(storage.list("accepted")) == 60
    assert [path.name for path in (tmp_path / "landing").rglob("*")] == ["r"]
