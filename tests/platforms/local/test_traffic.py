from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from unittest.mock import MagicMock

import msgspec
import pytest

from log_shipper import segments as shipping_segments
from log_shipper.shipping import ship
from platforms.errors import PlatformError
from platforms.local import traffic as traffic_module
from platforms.local.storage import LocalStorage
from platforms.local.traffic import LocalTrafficLog
from scoring_service.request_log import LogRecord, RequestLog

START = datetime(2026, 1, 1, tzinfo=UTC)


class Row(msgspec.Struct):
    a: float
    b: float


def record(name: str, minute: int) -> LogRecord:
    time = START + timedelta(minutes=minute)
    return LogRecord(name, time, "prod", "r", 2, "r:2-abc", [Row(1.0, 2.0)], [3.0], 0.001, "main")


def test_what_the_service_logs_is_read_within_the_interval(tmp_path: Path) -> None:
    for environment, names in (("prod", "abc"), ("qa", "d")):
        log = RequestLog.create(tmp_path / "r" / environment / "replica")
        for minute, name in enumerate(names):
            log.extend([record(name, minute)])
        log.close()
    traffic = LocalTrafficLog(tmp_path, LocalStorage(tmp_path / "storage"))
    found = list(traffic.read("r", START, START + timedelta(minutes=2)))
    assert sorted(request.request_id for request in found) == ["a", "b", "d"]
    assert found[0].inputs == [{"a": 1.0, "b": 2.0}]
    assert (found[0].outputs, found[0].time, found[0].version) == ([3.0], START, 2)
    assert list(traffic.read("other", START, START + timedelta(days=1))) == []


def test_an_open_segment_is_read_and_one_renamed_meanwhile_is_found(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "r" / "prod")
    log.extend([record("a", 0)])
    traffic = LocalTrafficLog(tmp_path, LocalStorage(tmp_path / "storage"))
    assert [request.request_id for request in traffic.read("r", START, START + timedelta(days=1))] == ["a"]
    segments = traffic_module._segments(tmp_path / "r")
    log.close()
    lines = traffic_module._open(segments[0])
    assert lines is not None
    (request,) = traffic_module._requests(segments[0], lines)
    assert request.request_id == "a"
    (tmp_path / "r" / "prod" / segments[0].name).unlink()
    assert traffic_module._open(segments[0]) is None


def test_a_torn_last_line_was_never_acknowledged(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "r" / "prod")
    log.extend([record("a", 0)])
    log.close()
    (file,) = (tmp_path / "r" / "prod").iterdir()
    file.write_bytes(file.read_bytes() + file.read_bytes()[:-1])
    traffic = LocalTrafficLog(tmp_path, LocalStorage(tmp_path / "storage"))
    assert len(list(traffic.read("r", START, START + timedelta(days=1)))) == 1
    file.write_bytes(b"garbage\n" + file.read_bytes())
    with pytest.raises(PlatformError, match=r"line 1 of .*\.jsonl is no logged request"):
        list(traffic.read("r", START, START + timedelta(days=1)))


def test_a_line_that_is_being_written_ends_the_reading(tmp_path: Path) -> None:
    """A reader may meet the first half of a line, and its second half at the next look."""
    whole = msgspec.json.encode(record("a", 0)) + b"\n"
    content = MagicMock(spec=BytesIO)
    content.__iter__.return_value = iter([whole, whole[:50], whole[50:]])
    found = traffic_module._requests(tmp_path / "requests-x.jsonl", content)
    assert [request.request_id for request in found] == ["a"]


@pytest.mark.parametrize("moves", [25, pytest.param(400, marks=pytest.mark.long)])
def test_each_record_is_read_once_while_segments_are_written_and_shipped(tmp_path: Path, moves: int) -> None:
    folder, storage = tmp_path / "r" / "prod", LocalStorage(tmp_path / "storage")
    traffic = LocalTrafficLog(tmp_path, storage)
    written: list[str] = []
    done = threading.Event()

    def write() -> None:
        log = RequestLog.create(folder, segment_bytes=2_000)
        while not done.is_set():
            log.extend([record(f"id-{len(written)}", len(written) % 2880)])
            written.append(f"id-{len(written)}")
            done.wait(0.0002)
        log.close()

    def move() -> None:
        while not done.is_set():
            for segment in shipping_segments.closed(folder):
                ship(storage, segment)

    threads = [threading.Thread(target=target) for target in (write, move)]
    for thread in threads:
        thread.start()
    try:
        while len(storage.list("scoring-logs/")) < moves:
            acknowledged = written.copy()
            found = Counter(request.request_id for request in traffic.read("r", START, START + timedelta(days=2)))
            assert set(found.values()) <= {1}
            assert set(acknowledged) <= found.keys()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert len(list(traffic.read("r", START, START + timedelta(days=2)))) == len(written)


def test_a_segment_that_is_shipped_between_listing_and_opening_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "storage")
    log = RequestLog.create(tmp_path / "r" / "prod")
    log.extend([record("a", 0)])
    log.close()
    traffic = LocalTrafficLog(tmp_path, storage)
    opened = traffic_module._open

    def ship_first(segment: Path) -> BinaryIO | None:
        ship(storage, segment)
        return opened(segment)

    monkeypatch.setattr(traffic_module, "_open", ship_first)
    assert [request.request_id for request in traffic.read("r", START, START + timedelta(days=1))] == ["a"]


def test_a_segment_that_is_stored_but_not_deleted_counts_once(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "storage")
    log = RequestLog.create(tmp_path / "r" / "prod")
    log.extend([record("a", 0)])
    log.close()
    (segment,) = (tmp_path / "r" / "prod").iterdir()
    content = segment.read_bytes()
    ship(storage, segment)
    segment.write_bytes(content)
    traffic = LocalTrafficLog(tmp_path, storage)
    assert len(list(traffic.read("r", START, START + timedelta(days=1)))) == 1
