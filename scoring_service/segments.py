"""One file of the request log: open and locked while its process lives, renamed when it is closed."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final, Self

CLOSED: Final = ".jsonl"
OPEN: Final = ".jsonl.open"
NEW: Final = ".new"
SYNC_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Segment:
    """An open segment. `size` is in bytes.

    `torn` says that its last line could not be taken back, `doubtful` that some lines may never reach the disk.
    """

    def __init__(self, descriptor: int, file: Path) -> None:
        self.size = 0
        self.torn = False
        self.doubtful = False
        self.opened = monotonic()
        self._descriptor = descriptor
        self._file = file

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Create one; raises `OSError`. It gets its name only when it is locked, so nobody takes it for left over."""
        stem = f"requests-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}-{os.urandom(4).hex()}"
        new = folder / f".{stem}{NEW}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file = new.rename(folder / f"{stem}{OPEN}")
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                new.unlink()
            raise
        return cls(descriptor, file)

    def write(self, lines: bytes) -> None:
        """Append lines with one `write`; raises `OSError` after taking back what a full disk let through."""
        written = os.write(self._descriptor, lines)
        if written != len(lines):
            self._take_back()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._file))
        self.size += written

    def sync(self) -> None:
        """Bring what was written to the disk; raises `OSError`, and then no later sync can tell of it again."""
        try:
            os.fdatasync(self._descriptor)
            if self.deleted():
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._file))
        except OSError:
            self.doubtful = True
            raise

    def deleted(self) -> bool:
        """Whether somebody deleted the file, so that its lines are lost; raises `OSError` if a share has lost it."""
        return os.fstat(self._descriptor).st_nlink == 0

    def usable(self) -> bool:
        """Whether more may be written to the file."""
        try:
            return not (self.doubtful or self.deleted())
        except OSError:
            return False

    def seal(self, durable: bool = False) -> None:
        """Close it under its final name, or remove it if it is empty; `durable` brings it to the disk first.

        A name that cannot be changed stays: without its lock, the file counts as left over by a dead process.
        Raises `OSError`, after all that, if what was written may not be on the disk.
        """
        try:
            if durable:
                self.sync()
        finally:
            self._close(durable)

    def _close(self, durable: bool) -> None:
        with suppress(OSError):
            if self.size == 0:
                self._file.unlink(missing_ok=True)
            else:
                self._file.rename(self._file.with_suffix(""))
            if durable:
                _sync_folder(self._file.parent)
        # A share may tell an error of before only now; the descriptor is gone all the same.
        with suppress(OSError):
            os.close(self._descriptor)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            self.torn = True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, SYNC_FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
