"""The segments in a log folder, as `scoring_service.request_log` describes them.

The folder may hold segments in any depth: one shipper serves the folders of all endpoints of a machine.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

CLOSED: Final = ".jsonl"
OPEN: Final = ".jsonl.open"
LOCK: Final = ".shipper.lock"


def closed(folder: Path) -> list[Path]:
    """Every segment that will not change any more, oldest first."""
    return sorted(folder.rglob(f"requests-*{CLOSED}"), key=lambda segment: segment.name)


def adopt_left(folder: Path) -> None:
    """Close the segments that dead processes left open."""
    for segment in folder.rglob(f"requests-*{OPEN}"):
        with suppress(FileNotFoundError):
            _adopt(segment)


def size(segment: Path) -> int:
    """Bytes of a segment; 0 if it is gone."""
    with suppress(FileNotFoundError):
        return segment.stat().st_size
    return 0


def lock(folder: Path) -> IO[bytes] | None:
    """Become the folder's one shipper, until the returned file is closed; None if there is one already."""
    folder.mkdir(parents=True, exist_ok=True)
    held = (folder / LOCK).open("ab")
    if _locked(held):
        return held
    held.close()
    return None


def _adopt(segment: Path) -> None:
    # Writable, because a network file system may grant exclusive locks to writers only.
    with segment.open("r+b") as opened:
        if not _locked(opened):
            return
        status = os.fstat(opened.fileno())
        if not os.path.samestat(status, segment.stat()):
            return
        if status.st_size == 0:
            segment.unlink()
        else:
            segment.rename(segment.with_suffix(""))


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
