"""The request log on disk: one JSON line per answered request, written before the answer.

Laws: what was acknowledged is in the log once, whenever the process is killed; a closed segment never changes.

The format, for whoever reads or ships it:

* A log folder holds segments of any number of processes, all directly in it. A segment is written by one process.
* `requests-<start>-<pid>-<random>.jsonl.open` is open, `requests-<start>-<pid>-<random>.jsonl` closed for ever. The
  name before `.jsonl` is unique, so it identifies the segment; names sort by start (`20260102T030405.000006Z`).
  Closing is a rename in the folder. A segment that holds nothing is removed instead.
* The writer holds an exclusive `flock` on its open segment until after the rename. Who gets that lock (`LOCK_NB`) on
  a `.jsonl.open` has found the segment of a dead process, and may rename it to `.jsonl` while holding the lock,
  after looking whether the name still leads to the same inode.
* A line is the JSON of a `LogRecord` and a newline. One `write` appends one or more lines. Only the last line of a
  segment can lack its newline: it was never acknowledged and does not count. Segment name and line number identify a
  record.
* `.requests-….new` is a segment that is just being made, and always empty.
* `inputs` has one object per row, by feature name, without features that are redacted; numbers are float64 and
  read back to the same bits, a missing one is null. Many rows of numbers are a `PackedRows` instead, whose bytes are
  base64, with NaN for a missing one: reading rows is then the reader's work and not that of whoever answers. `time`
  is RFC 3339 in UTC; `latency` is in seconds.

Segments close at `SCORING_LOG_SEGMENT_BYTES` or `SCORING_LOG_SEGMENT_SECONDS`, and when the process ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from errno import EIO
from pathlib import Path
from time import monotonic
from typing import Final, Self

import msgspec

from scoring_service.segments import CLOSED, OPEN, Segment

SEGMENT_BYTES: Final = 64 * 1024 * 1024
SEGMENT_SECONDS: Final = 300.0


class LogError(Exception):
    """The log folder cannot be written; the message names it."""


class PackedRows(msgspec.Struct, gc=False):
    """Rows of numbers: of each its `columns`, one row after the other, as little-endian float64."""

    rows: int
    columns: Sequence[str]
    float64: bytes


class LogRecord(msgspec.Struct, gc=False):
    """One answered request.

    `latency` is in seconds, from the complete body to `time`, when the record is written. Of requests that arrived
    together it is that of the first.
    """

    request_id: str
    time: datetime
    environment: str
    model: str
    version: int
    image: str
    inputs: Sequence[msgspec.Struct] | PackedRows
    outputs: Sequence[float]
    latency: float
    key_id: str


class Line(msgspec.Struct, gc=False):
    """A `LogRecord` as it is written: `time` is the JSON of what it has from `time` to `image` (`Origin.at`)."""

    request_id: str
    time: msgspec.Raw
    inputs: Sequence[msgspec.Struct] | PackedRows
    outputs: Sequence[float]
    latency: float
    key_id: str


class Origin:
    """What answers: the same in all records of a process, so its JSON is made once.

    Takes the fields of a `LogRecord`.
    """

    def __init__(self, environment: str, model: str, version: int, image: str) -> None:
        same = {"environment": environment, "model": model, "version": version, "image": image}
        self._json = b"," + msgspec.json.encode(same)[1:-1]

    def at(self, time: datetime) -> msgspec.Raw:
        """The `time` of lines that are written then."""
        return msgspec.Raw(msgspec.json.encode(time) + self._json)


class Backlog(msgspec.Struct, frozen=True):
    """What waits in the folder to be shipped: closed segments and open ones, of all processes; sizes in bytes."""

    closed: int
    closed_bytes: int
    open: int
    open_bytes: int


class RequestLog:
    """The segments that this process writes. A segment is opened by the first record that needs it."""

    def __init__(self, folder: Path, segment_bytes: int, segment_seconds: float, durable: bool) -> None:
        self.durable = durable
        self.syncing = False
        self._folder = folder
        self._bytes = segment_bytes
        self._seconds = segment_seconds
        self._segment: Segment | None = None
        self._encode = msgspec.json.Encoder().encode_lines

    @classmethod
    def create(
        cls,
        folder: Path,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
        durable: bool = False,
    ) -> Self:
        """A log in this folder. With `durable`, who extends it also calls `sync` before answering."""
        return cls(folder, segment_bytes, segment_seconds, durable)

    def check(self) -> None:
        """Raise `LogError` if the folder cannot take a segment now."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            Segment.open(self._folder).seal()
        except OSError as error:
            reason = f"{error.strerror} (SCORING_LOG_DIR)"
            raise LogError(f"request log {self._folder} cannot be written: {reason}") from None

    def extend(self, records: Sequence[LogRecord] | Sequence[Line]) -> None:
        """Write a line for each at once; raises `OSError`, and then they are not in it, or not surely on disk."""
        lines = self._encode(records)
        segment = self._written(lines)
        if not self.syncing and segment.deleted():
            segment.seal()
            self._segment = None
            segment = self._written(lines)
        if segment.size >= self._bytes and not self.syncing:
            self._seal()

    def sync(self) -> None:
        """Bring what was appended to the disk; raises `OSError`. May run in a thread while `syncing` is set."""
        if self._segment is not None:
            self._segment.sync()

    def rotate(self) -> None:
        """Close the segment if it is full, old, doubtful or deleted, unless it is being synced; raises `OSError`."""
        segment = self._segment
        if segment is None or self.syncing:
            return
        if segment.size >= self._bytes or monotonic() - segment.opened >= self._seconds or not segment.usable():
            self._seal()

    def close(self) -> None:
        """Close the segment; raises `OSError`."""
        self._seal()

    def backlog(self) -> Backlog:
        """What is in the folder now."""
        closed = _sizes(self._folder, CLOSED)
        opened = _sizes(self._folder, OPEN)
        return Backlog(len(closed), sum(closed), len(opened), sum(opened))

    def _written(self, lines: bytes) -> Segment:
        """The segment after a write; raises `OSError`."""
        segment = self._segment or self._open()
        try:
            segment.write(lines)
        except OSError:
            if segment.torn:
                self._seal()
            raise
        return segment

    def _open(self) -> Segment:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._segment = Segment.open(self._folder)
        return self._segment

    def _seal(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.seal(self.durable)


def disk_error(error: BaseException) -> OSError:
    """The error as one of the disk: whatever it is, no answer may go out without its record."""
    return error if isinstance(error, OSError) else OSError(EIO, f"{type(error).__name__}: {error}")


def _sizes(folder: Path, suffix: str) -> list[int]:
    sizes = []
    for file in folder.glob(f"*{suffix}"):
        try:
            sizes.append(file.stat().st_size)
        except FileNotFoundError:
            continue
    return sizes
