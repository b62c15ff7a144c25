from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from log_shipper import segments
from log_shipper.settings import Settings
from log_shipper.shipper import Shipper
from log_shipper.stopping import Stop
from scoring_service.request_log import RequestLog
from tests.log_shipper.made import Hooked, closed, fail, ids, many, record, shipped


class Bench:
    """A shipper of a folder, its storage, and one endpoint's folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "log"
        self.logs = self.root / "diabetes" / "prod"
        self.storage = Hooked(folder / "storage")
        self.stop = Stop()
        self.shipper = Shipper(self.storage, Settings(log_dir=self.root, longest_pause=5), self.stop)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_round_ships_every_folder_and_leaves_open_segments(bench: Bench) -> None:
    closed(bench.logs, record("a"))
    closed(bench.root / "diabetes" / "qa", record("b", environment="qa"))
    log = RequestLog.create(bench.logs)
    log.extend([record("open")])
    bench.shipper.round()
    assert ids(shipped(bench.storage)) == ["a", "b"]
    assert [file.name[-5:] for file in bench.logs.iterdir()] == [".open"]
    log.close()
    bench.shipper.round()
    assert ids(shipped(bench.storage)) == ["a", "b", "open"]
    assert bench.shipper.pause() == 5.0


def test_a_dead_process_s_segment_is_adopted(bench: Bench) -> None:
    left = closed(bench.logs, *many(2))
    opened = left.rename(left.with_name(f"{left.name}.open"))
    opened.write_bytes(opened.read_bytes() + b'{"torn')
    bench.logs.joinpath("requests-empty.jsonl.open").touch()
    bench.shipper.round()
    assert ids(shipped(bench.storage)) == ["id-0", "id-1"]
    assert list(bench.logs.iterdir()) == []


def test_a_segment_that_was_closed_meanwhile_is_not_adopted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RequestLog.create(bench.logs)
    log.extend([record("a")])
    (file,) = bench.logs.iterdir()
    locked = segments._locked

    def close_first(opened: BinaryIO) -> bool:
        log.close()
        file.write_text("another file of that name")
        return locked(opened)

    monkeypatch.setattr(segments, "_locked", close_first)
    segments.adopt_left(bench.root)
    assert file.read_text() == "another file of that name"


def test_an_outage_is_waited_for_ever_longer(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    segment = closed(bench.logs, *many(2))
    bench.storage.before = fail
    pauses = []
    for _ in range(5):
        bench.shipper.round()
        pauses.append(bench.shipper.pause())
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert bench.shipper.waiting == [segment]
    bench.shipper._outage = 2000
    bench.shipper.round()
    assert bench.shipper.pause() == 5.0
    expected = f"1 segments of {segment.stat().st_size} bytes wait, next try in 1 s"
    assert "ConnectionError: the storage is away" in caplog.messages[0]
    assert caplog.messages[0].endswith(expected)
    bench.storage.before = lambda path: None
    bench.shipper.round()
    assert ids(shipped(bench.storage)) == ["id-0", "id-1"]
    assert bench.shipper.pause() == 5.0


def test_one_segment_that_is_refused_does_not_hold_up_the_others(bench: Bench) -> None:
    first, *others = [closed(bench.logs, record(name)) for name in "abc"]
    bench.storage.before = lambda path: fail(path) if first.stem in path else None
    bench.shipper.round()
    assert shipped(bench.storage) == []
    bench.shipper.round()
    assert ids(shipped(bench.storage)) == ["b", "c"]
    assert [segment.exists() for segment in (first, *others)] == [True, False, False]


def test_a_segment_that_is_no_log_is_told_once_and_left(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    segment = closed(bench.logs, record("a"))
    segment.write_bytes(b"garbage\n" + segment.read_bytes())
    closed(bench.logs, record("b"))
    bench.shipper.round()
    bench.shipper.round()
    assert ids(shipped(bench.storage)) == ["b"]
    assert segment.exists()
    (told,) = [message for message in caplog.messages if str(segment) in message]
    assert told.endswith("move the file away")
    segment.write_bytes(segment.read_bytes().removeprefix(b"garbage\n"))
    bench.shipper.round()
    assert ids(shipped(bench.storage)) == ["a", "b"]


def test_it_stops_at_the_end_of_a_segment(bench: Bench) -> None:
    for name in "abc":
        closed(bench.logs, record(name))
    bench.storage.after = lambda path: bench.stop.set()
    thread = threading.Thread(target=bench.shipper.run)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert len(shipped(bench.storage)) == 1
    assert len(segments.closed(bench.root)) == 2


def test_a_folder_has_one_shipper(tmp_path: Path) -> None:
    first = segments.lock(tmp_path / "new")
    assert first is not None
    assert segments.lock(tmp_path / "new") is None
    first.close()
    again = segments.lock(tmp_path / "new")
    assert again is not None
    again.close()


def test_a_log_folder_that_is_not_there_is_empty(bench: Bench) -> None:
    bench.shipper.round()
    assert bench.shipper.waiting == []


def test_a_temporary_file_leaves_nothing(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    seen: list[list[str]] = []
    bench.storage.before = lambda path: seen.append(os.listdir(spool))
    closed(bench.logs, record("a"))
    bench.shipper.round()
    assert seen == [[]]
