from __future__ import annotations

from pathlib import Path

import pytest

from platforms.errors import ConflictError, NotFoundError, PlatformError
from platforms.protocols import Storage
from platforms.values import Blob


class StorageContract:
    """Needs a fixture `storage` that starts empty."""

    def test_what_was_written_is_read_back(self, storage: Storage) -> None:
        blob = storage.write("landing/a recipe/rows 1.csv", b"content")
        assert (blob.path, blob.size) == ("landing/a recipe/rows 1.csv", 7)
        assert storage.stat(blob.path) == blob
        with storage.open(blob.path) as reader:
            reader.seek(3)
            assert reader.read() == b"tent"

    def test_listing_is_ordered_and_goes_deep(self, storage: Storage) -> None:
        for path in ("a/c/2", "b/1", "a/1", "a/c/1"):
            storage.write(path, b"")
        assert [blob.path for blob in storage.list("a")] == ["a/1", "a/c/1", "a/c/2"]
        assert [blob.path for blob in storage.list("a/")] == ["a/1", "a/c/1", "a/c/2"]
        assert [blob.path for blob in storage.list("")] == ["a/1", "a/c/1", "a/c/2", "b/1"]
        assert storage.list("none") == []

    def test_every_change_of_content_changes_the_etag(self, storage: Storage) -> None:
        etags = [storage.write("x", content).etag for content in (b"1", b"2", b"1", b"2", b"1")]
        assert len(set(etags)) == 5

    def test_files_are_uploaded(self, storage: Storage, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"z" * 100_000)
        assert storage.upload(source, "logs/x").size == 100_000
        assert source.exists()

    def test_a_move_can_be_repeated(self, storage: Storage) -> None:
        blob = storage.write("landing/x", b"1")
        moved = storage.move(blob, "quarantine/deep/x")
        assert storage.move(blob, "quarantine/deep/x") == moved
        assert storage.list("landing") == []
        with pytest.raises(NotFoundError, match="landing/y"):
            storage.move(Blob("landing/y", 1, blob.etag), "quarantine/y")

    def test_what_replaced_a_blob_is_not_moved(self, storage: Storage) -> None:
        blob = storage.write("landing/x", b"old")
        newer = storage.write("landing/x", b"new")
        with pytest.raises(ConflictError, match=r"'landing/x'.* was replaced"):
            storage.move(blob, "accepted/x")
        assert storage.list("") == [newer]

    @pytest.mark.parametrize("path", ["none", "folder", "file/below"])
    def test_what_is_not_there_is_named(self, storage: Storage, path: str) -> None:
        storage.write("folder/x", b"")
        storage.write("file", b"")
        with pytest.raises(NotFoundError, match=path):
            storage.stat(path)
        with pytest.raises(NotFoundError, match=path):
            storage.open(path)

    @pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "", "a\0b"])
    def test_no_path_leaves_the_root(self, storage: Storage, path: str) -> None:
        with pytest.raises(PlatformError, match="leaves the storage"):
            storage.write(path, b"")
        with pytest.raises(PlatformError, match="leaves the storage"):
            storage.open(path)
