"""A folder on this machine's disk that is gone when its run is, also when the run was killed.

It is below the state folder: in many places `/tmp` is memory, and batches are large.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from platforms.settings import Settings

PREFIX: Final = "batch-"
SETTLED: Final = 60.0
"""Seconds after which a folder that nobody locks was left behind: its maker locks it at once."""


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder for the time of the context; folders of killed runs are removed first."""
    parent = Settings().state_dir / "tmp"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = hold(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            if not is_abandoned(folder) or (lock := hold(folder)) is None:
                continue
        except OSError:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def is_abandoned(folder: Path) -> bool:
    """Whether a folder has been there for so long that its maker would have locked it."""
    return time.time() - folder.stat().st_mtime >= SETTLED


def hold(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock until it is closed or its process dies; None if another one does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
