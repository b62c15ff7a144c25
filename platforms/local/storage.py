"""Blobs as files below one folder."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from platforms import paths
from platforms.errors import ConflictError, NotFoundError, PlatformError
from platforms.local import files
from platforms.settings import Settings
from platforms.values import Blob

if TYPE_CHECKING:
    from collections.abc import Callable

    Blobs = list[Blob]


LASTING: Final = 2
"""Levels of folders that stay when they are empty: an area, and in it a recipe's, where people put files by hand."""


class LocalStorage:
    """The storage port on a folder; paths are relative to it, with `/` between their parts.

    As with blobs, a folder further below is there as long as something is in it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The storage of these settings."""
        return cls(settings.state_dir / "storage")

    def list(self, prefix: str) -> Blobs:
        """Every blob below `prefix`, ordered by path."""
        found = []
        for folder, _, names in os.walk(self._path(prefix) if prefix else self._root):
            found += [Path(folder, name) for name in names if not name.startswith(files.TEMPORARY)]
        blobs = [self._blob(file) for file in found]
        return sorted((blob for blob in blobs if blob), key=lambda blob: blob.path)

    def stat(self, path: str) -> Blob:
        """One blob; raises `NotFoundError`."""
        blob = self._blob(self._path(path))
        if blob is None:
            raise self._missing(path)
        return blob

    def open(self, path: str) -> BinaryIO:
        """A seekable reader of one blob; raises `NotFoundError`."""
        try:
            return self._path(path).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise self._missing(path) from None

    def write(self, path: str, content: bytes) -> Blob:
        """Store `content`, replacing what was there."""
        return self._store(path, lambda file: file.write(content))

    def upload(self, source: Path, path: str) -> Blob:
        """Store a file of any size, replacing what was there."""
        with source.open("rb") as reader:
            return self._store(path, lambda file: shutil.copyfileobj(reader, file))

    def move(self, blob: Blob, target: str) -> Blob:
        """Give a blob another path; a move that was already made is no error.

        Raises `ConflictError` if something else is at the blob's path by now, which stays, or `NotFoundError`.
        """
        old, new = self._path(blob.path), self._path(target)
        found = self._blob(old)
        if found and found.etag == blob.etag:
            with suppress(FileNotFoundError):  # Another one made the same move just now.
                files.rename(old, new)
        elif found:
            raise _replaced(blob)
        moved = self._blob(new)
        if moved is None:
            raise self._missing(blob.path)
        if found and moved.etag != blob.etag:
            # It was replaced between the look and the move: what came goes back, unless yet another one came.
            new.unlink() if old.exists() else files.rename(new, old)
            self._tidy(new)
            raise _replaced(blob)
        self._tidy(old)
        return moved

    def _store(self, path: str, fill: Callable[[BinaryIO], object]) -> Blob:
        target = self._path(path)
        older = target.stat().st_mtime_ns if target.is_file() else 0

        def fill_and_date(file: BinaryIO) -> None:
            fill(file)
            file.flush()
            # The clock of a file system is coarse: two writes in one tick must still differ in their etag.
            if os.fstat(file.fileno()).st_mtime_ns <= older:
                os.utime(file.fileno(), ns=(older + 1, older + 1))

        try:
            files.write(target, fill_and_date)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            raise PlatformError(f"blob {path!r} cannot be stored: another blob takes part of its path") from None
        return self.stat(path)

    def _tidy(self, gone: Path) -> None:
        """Remove the folders that are empty since a file is gone: whoever watches an area looks into each."""
        lasting = gone.relative_to(self._root).parts[:-1][:LASTING]
        files.remove_empty(gone.parent, self._root.joinpath(*lasting))

    def _blob(self, file: Path) -> Blob | None:
        try:
            status = file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not file.is_file():
            return None
        etag = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
        return Blob(file.relative_to(self._root).as_posix(), status.st_size, etag)

    def _path(self, path: str) -> Path:
        found = self._root.joinpath(*paths.parts(path))
        if not found.resolve().is_relative_to(self._root):
            raise paths.outside(path)
        if found.name.startswith(files.TEMPORARY):
            raise PlatformError(
                f"blob path {path!r} is reserved: names that begin with {files.TEMPORARY!r} are not read"
            )
        return found

    def _missing(self, path: str) -> NotFoundError:
        return NotFoundError(f"there is no blob {path!r} in {self._root}")


def _replaced(blob: Blob) -> ConflictError:
    return ConflictError(f"blob {blob.path!r} was replaced before it was moved: what replaced it stays where it is")
