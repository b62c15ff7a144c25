"""Segments as the service writes them, and storages that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from platforms.local.storage import LocalStorage
from platforms.shipped import ShippedLog
from platforms.values import Blob, ScoredRequest
from scoring_service.request_log import LogRecord, RequestLog

if TYPE_CHECKING:
    Paths = list[str]

START = datetime(2026, 1, 2, 3, tzinfo=UTC)
RECIPE = "diabetes"
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


class Row(msgspec.Struct):
    a: float
    b: float | str | int | bool | None = 2.0


ONE = (Row(1.5),)


def record(name: str, time: datetime = START, rows: Sequence[Row] = ONE, environment: str = "prod") -> LogRecord:
    return LogRecord(name, time, environment, RECIPE, 2, "d" * 64, rows, [3.0] * len(rows), 0.001, "main")


def closed(folder: Path, *records: LogRecord) -> Path:
    """A closed segment with these records."""
    log = RequestLog.create(folder)
    for each in records:
        log.extend([each])
    before = set(folder.glob("*.jsonl"))
    log.close()
    (segment,) = set(folder.glob("*.jsonl")) - before
    return segment


def many(count: int, name: str = "id", step: timedelta = timedelta(seconds=1)) -> list[LogRecord]:
    return [record(f"{name}-{number}", START + number * step) for number in range(count)]


def shipped(storage: LocalStorage) -> list[ScoredRequest]:
    """Everything in storage."""
    return list(ShippedLog(storage).read(RECIPE, *ALWAYS))


def ids(requests: Sequence[ScoredRequest]) -> list[str]:
    return sorted(request.request_id for request in requests)


class Kill(BaseException):
    """Stands for the end of the process: nothing that handles errors handles it."""


class Hooked(LocalStorage):
    """A storage that calls `before` and `after` around each upload."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.before: Callable[[str], object] = lambda path: None
        self.after: Callable[[str], object] = lambda path: None
        self.uploads: Paths = []

    def upload(self, source: Path, path: str) -> Blob:
        self.before(path)
        blob = super().upload(source, path)
        self.uploads.append(path)
        self.after(path)
        return blob


def fail(_: str) -> None:
    raise ConnectionError("the storage is away")


def kill(_: str) -> None:
    raise Kill
