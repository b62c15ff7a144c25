"""The request log: one JSON line per answered request, written before the answer.

Law: what was acknowledged is in the log, whenever the process is killed. Each process writes a file of its own
with one `write` per line, so lines of replicas never mix and at most the last line of a killed one is torn.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec


class LogError(Exception):
    """The log folder cannot be written; the message names it."""


class LogRecord(msgspec.Struct, gc=False):
    """One answered request. `latency` is in seconds, from the complete body to this record."""

    request_id: str
    time: datetime
    environment: str
    model: str
    version: int
    image: str
    inputs: Sequence[msgspec.Struct]
    outputs: Sequence[float]
    latency: float
    key_id: str


class RequestLog:
    """An append-only file `requests-<start>-<pid>.jsonl` in the log folder."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._encode = msgspec.json.Encoder().encode
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A log in this folder; raises `LogError`."""
        start = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return cls(folder / f"requests-{start}-{os.getpid()}.jsonl")
        except OSError as error:
            raise LogError(f"request log {folder} cannot be written: {error.strerror} (SCORING_LOG_DIR)") from None

    def append(self, record: LogRecord) -> None:
        """Write one line; raises `OSError` after taking back what a full disk let through of it."""
        line = self._encode(record) + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._file))

    def close(self) -> None:
        """Close the file, and remove it if nothing was written."""
        empty = os.fstat(self._descriptor).st_size == 0
        os.close(self._descriptor)
        if empty:
            self._file.unlink(missing_ok=True)
