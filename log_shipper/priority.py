"""Standing back: the shipper gets what the replicas leave of processor and disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def stand_back(nice: int) -> None:
    """Take this niceness; the kernel derives the priority of disk access from it."""
    os.nice(nice)
    # Where sessions are scheduled as groups, the number above counts only within ours, and this one between groups.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))
