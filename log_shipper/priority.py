"""Standing back: the shipper gets what the replicas leave of processor and disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST: Final = 19


def stand_back(nice: int) -> None:
    """Take this niceness; the kernel derives the priority of disk access from it.

    With the most of it, whoever wakes up in the same session or container goes first at once: a process that is only
    nice may go on for milliseconds.
    """
    os.nice(nice)
    if nice == MOST:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # Where sessions are scheduled as groups, the number above counts only within ours, and this one between groups.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(nice))
