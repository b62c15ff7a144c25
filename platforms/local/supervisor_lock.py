"""The lock of who supervises a folder: one process holds it while it does, others look whether somebody does.

A lock is on an open file and is given back when that is closed.
"""

from __future__ import annotations

import fcntl
import time
from typing import IO, Final

LOOK: Final = 0.5
"""Seconds for which the lock may be held by those who only look."""


def is_held(file: IO[bytes]) -> bool:
    """Whether somebody supervises; shared, so that two who look at the same time do not take each other for one."""
    return not _taken(file, fcntl.LOCK_SH)


def take(file: IO[bytes]) -> bool:
    """Become who supervises; False if somebody else does, and does not only look."""
    end = time.monotonic() + LOOK
    while not _taken(file, fcntl.LOCK_EX):
        if time.monotonic() > end:
            return False
        time.sleep(LOOK / 50)
    return True


def _taken(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
