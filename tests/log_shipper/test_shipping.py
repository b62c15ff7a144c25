from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from log_shipper.shipping import ship
from platforms.errors import PlatformError
from platforms.values import Blob
from tests.log_shipper.made import START, Hooked, Kill, closed, fail, ids, kill, many, record, shipped

MIDNIGHT = datetime(2026, 1, 3, tzinfo=UTC)


@pytest.fixture
def storage(tmp_path: Path) -> Hooked:
    return Hooked(tmp_path / "storage")


def test_a_segment_becomes_a_file_of_its_day_and_is_deleted(tmp_path: Path, storage: Hooked) -> None:
    segment = closed(tmp_path / "log", *many(3))
    assert ship(storage, segment) == 3
    assert not segment.exists()
    assert storage.uploads == [f"scoring-logs/diabetes/prod/date=2026-01-02/{segment.stem}.parquet"]
    assert [request.time for request in shipped(storage)] == [START + timedelta(seconds=n) for n in range(3)]
    assert shipped(storage)[0].inputs == [{"a": 1.5, "b": 2.0}]


def test_a_segment_that_spans_midnight_is_split(tmp_path: Path, storage: Hooked) -> None:
    times = [MIDNIGHT - timedelta(microseconds=1), MIDNIGHT, MIDNIGHT - timedelta(seconds=1), MIDNIGHT]
    segment = closed(tmp_path / "log", *[record(str(number), time) for number, time in enumerate(times)])
    assert ship(storage, segment) == 4
    assert [path.split("/")[3] for path in storage.uploads] == ["date=2026-01-02", "date=2026-01-03"]
    assert ids(shipped(storage)) == list("0123")


def test_a_segment_without_a_whole_line_is_deleted_only(tmp_path: Path, storage: Hooked) -> None:
    segment = closed(tmp_path / "log", *many(1))
    segment.write_bytes(segment.read_bytes()[:-1])
    assert ship(storage, segment) == 0
    assert not segment.exists()
    assert storage.uploads == []


@pytest.mark.parametrize("point", range(5))
def test_killed_anywhere_it_ships_again_without_loss_or_duplicate(
    tmp_path: Path, storage: Hooked, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    segment = closed(tmp_path / "log", record("a", MIDNIGHT - timedelta(seconds=1)), record("b", MIDNIGHT))
    calls = iter(range(4))

    def maybe_kill(path: str) -> None:
        if next(calls) == point:
            kill(path)

    storage.before = storage.after = maybe_kill
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda file, **_: kill("") if file == segment else None)
        with pytest.raises(Kill):
            ship(storage, segment)
    storage.before = storage.after = lambda path: None
    assert segment.exists()
    assert len(ids(shipped(storage))) == [0, 1, 1, 2, 2][point]
    ship(storage, segment)
    assert not segment.exists()
    assert ids(shipped(storage)) == ["a", "b"]


def test_what_the_storage_refuses_stays(tmp_path: Path, storage: Hooked) -> None:
    segment = closed(tmp_path / "log", *many(3))
    content = segment.read_bytes()
    storage.before = fail
    with pytest.raises(ConnectionError):
        ship(storage, segment)
    assert segment.read_bytes() == content


def test_what_is_stored_in_part_is_not_deleted(
    tmp_path: Path, storage: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = closed(tmp_path / "log", *many(3))
    monkeypatch.setattr(storage, "stat", lambda path: Blob(path, 10, "x"))
    with pytest.raises(PlatformError, match=r"has 10 bytes, \d+ were sent"):
        ship(storage, segment)
    assert segment.exists()
