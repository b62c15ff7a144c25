"""The log files of services and replicas."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final

LIMIT: Final = 10 * 2**20
"""Bytes from which on a log is put aside at the next start."""
READ: Final = 64 * 2**10
"""Bytes in which its last lines are looked for."""


def opened(log: Path) -> BinaryIO:
    """The log to be appended to; what was too long becomes `.log.1`, in the place of the one before."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LIMIT:
        log.replace(log.with_suffix(".log.1"))
    return log.open("ab")


def last_lines(log: Path, since: int, count: int) -> str:
    """The last lines that were written after so many bytes."""
    with log.open("rb") as file:
        file.seek(max(since, file.seek(0, os.SEEK_END) - READ))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-count:])
