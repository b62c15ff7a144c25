from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from platforms.local import traffic as traffic_module
from platforms.local.traffic import LocalTrafficLog
from platforms.protocols import PlatformError
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
            log.append(record(name, minute))
        log.close()
    traffic = LocalTrafficLog(tmp_path)
    found = list(traffic.read("r", START, START + timedelta(minutes=2)))
    assert sorted(request.request_id for request in found) == ["a", "b", "d"]
    assert found[0].inputs == [{"a": 1.0, "b": 2.0}]
    assert (found[0].outputs, found[0].time, found[0].version) == ([3.0], START, 2)
    assert list(traffic.read("other", START, START + timedelta(days=1))) == []


def test_an_open_segment_is_read_and_one_renamed_meanwhile_is_found(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "r" / "prod")
    log.append(record("a", 0))
    traffic = LocalTrafficLog(tmp_path)
    assert [request.request_id for request in traffic.read("r", START, START + timedelta(days=1))] == ["a"]
    segments = traffic_module._segments(tmp_path / "r")
    log.close()
    (request,) = traffic_module._requests(segments[0])
    assert request.request_id == "a"
    (tmp_path / "r" / "prod" / segments[0].name).unlink()
    assert list(traffic_module._requests(segments[0])) == []


def test_a_torn_last_line_was_never_acknowledged(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "r" / "prod")
    log.append(record("a", 0))
    log.close()
    (file,) = (tmp_path / "r" / "prod").iterdir()
    file.write_bytes(file.read_bytes() + file.read_bytes()[:-1])
    traffic = LocalTrafficLog(tmp_path)
    assert len(list(traffic.read("r", START, START + timedelta(days=1)))) == 1
    file.write_bytes(b"garbage\n" + file.read_bytes())
    with pytest.raises(PlatformError, match=r"line 1 of .*\.jsonl is no logged request"):
        list(traffic.read("r", START, START + timedelta(days=1)))
