"""Standing back: the shipper gets what the replicas leave of processor and disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LOWEST: Final = 19


def stand_back() -> None:
    """Take the lowest priority; the kernel derives that of disk access from it."""
    os.nice(LOWEST)
    # Where sessions are scheduled as groups, the number above counts only within ours, and this one between groups.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(LOWEST))
