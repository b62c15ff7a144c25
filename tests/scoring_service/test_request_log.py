from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from scoring_service.request_log import Backlog, Line, LogError, LogRecord, Origin, RequestLog
from scoring_service.segments import Segment

RECORD = LogRecord("id", datetime(2026, 1, 2, tzinfo=UTC), "qa", "diabetes", 3, "d", [], [1.5], 0.25, "default")
SIZE = len(msgspec.json.encode(RECORD)) + 1


def names(folder: Path) -> list[str]:
    """The endings of what is in the folder."""
    return sorted(file.name.partition(".jsonl")[2] for file in folder.iterdir())


def logged(folder: Path) -> list[LogRecord]:
    files = sorted(folder.iterdir())
    return [msgspec.json.decode(line, type=LogRecord) for file in files for line in file.read_bytes().splitlines()]


def test_a_record_is_one_line(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "new" / "folder")
    log.extend([RECORD])
    log.extend([RECORD])
    assert names(tmp_path / "new" / "folder") == [".open"]
    log.close()
    assert names(tmp_path / "new" / "folder") == [""]
    assert logged(tmp_path / "new" / "folder") == [RECORD, RECORD]


def test_a_line_is_written_as_the_record_it_stands_for(tmp_path: Path) -> None:
    record = msgspec.structs.replace(RECORD, model='a "quoted" näme', time=datetime(2026, 1, 2, 3, 4, 5, 60, UTC))
    origin = Origin(record.environment, record.model, record.version, record.image)
    line = Line(record.request_id, origin.at(record.time), [], record.outputs, record.latency, record.key_id)
    log = RequestLog.create(tmp_path)
    log.extend([record])
    log.extend([line, line])
    log.close()
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == 3 * (msgspec.json.encode(record) + b"\n")


def test_an_unused_log_leaves_no_file(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "logs")
    log.check()
    log.rotate()
    log.close()
    assert list((tmp_path / "logs").iterdir()) == []


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogError, match="SCORING_LOG_DIR"):
        RequestLog.create(tmp_path / "file" / "logs").check()


@pytest.mark.parametrize("durable", [False, True])
def test_a_segment_is_closed_at_its_size(tmp_path: Path, durable: bool) -> None:
    log = RequestLog.create(tmp_path, segment_bytes=2 * SIZE, durable=durable)
    for _ in range(5):
        log.extend([RECORD])
    assert names(tmp_path) == ["", "", ".open"]
    assert log.backlog() == Backlog(2, 4 * SIZE, 1, SIZE)
    log.close()
    assert len(logged(tmp_path)) == 5


def test_a_segment_is_closed_at_its_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RequestLog.create(tmp_path, segment_seconds=60)
    log.extend([RECORD])
    log.rotate()
    assert names(tmp_path) == [".open"]
    now = time.monotonic()
    monkeypatch.setattr("scoring_service.request_log.monotonic", lambda: now + 61)
    log.syncing = True
    log.rotate()
    assert names(tmp_path) == [".open"]
    log.syncing = False
    log.rotate()
    assert names(tmp_path) == [""]


def test_an_open_segment_is_locked_until_its_process_ends(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path)
    log.extend([RECORD])
    (file,) = tmp_path.iterdir()
    with file.open("rb") as reader:
        with pytest.raises(BlockingIOError):
            fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)
        code = (
            "import os, sys; from pathlib import Path; from tests.scoring_service.test_request_log import *;"
            "log = RequestLog.create(Path(sys.argv[1])); log.extend([RECORD]); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "dead")], check=False)
    (left,) = (tmp_path / "dead").iterdir()
    assert left.name.endswith(".jsonl.open")
    with left.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)
    log.close()


def test_what_is_written_to_a_deleted_segment_is_written_again(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "logs")
    log.extend([RECORD])
    shutil.rmtree(tmp_path / "logs")
    log.extend([RECORD, RECORD])
    assert logged(tmp_path / "logs") == [RECORD, RECORD]
    log.extend([RECORD])
    log.close()
    assert names(tmp_path / "logs") == [""]
    assert len(logged(tmp_path / "logs")) == 3


def test_a_sync_tells_that_the_segment_was_deleted_and_the_next_one_takes_over(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "logs", durable=True)
    log.extend([RECORD])
    log.syncing = True
    shutil.rmtree(tmp_path / "logs")
    log.extend([RECORD])
    with pytest.raises(FileNotFoundError):
        log.sync()
    log.syncing = False
    with pytest.raises(FileNotFoundError):
        log.rotate()
    log.extend([RECORD])
    log.sync()
    log.close()
    assert logged(tmp_path / "logs") == [RECORD]


def test_a_segment_that_a_share_closes_with_an_error_is_closed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def fail(descriptor: int) -> None:
        close(descriptor)
        raise OSError(5, "Input/output error")

    log = RequestLog.create(tmp_path, segment_bytes=SIZE)
    with monkeypatch.context() as patched:
        patched.setattr(os, "close", fail)
        log.extend([RECORD])
    log.extend([RECORD])
    assert logged(tmp_path) == [RECORD, RECORD]
    log.close()


def test_a_segment_that_a_share_has_lost_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(116, "Stale file handle")

    log = RequestLog.create(tmp_path)
    log.extend([RECORD])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fail)
        log.rotate()
    assert names(tmp_path) == [""]
    log.extend([RECORD])
    assert names(tmp_path) == ["", ".open"]
    log.close()


def test_a_torn_line_is_taken_back(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from tests.scoring_service.test_request_log import RECORD, SIZE, RequestLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = RequestLog.create(Path({str(tmp_path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (2 * SIZE + 5, resource.RLIM_INFINITY))
log.extend([RECORD])
log.extend([RECORD])
try:
    log.extend([RECORD])
except OSError as error:
    print("refused", error.strerror)
log.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused")
    assert logged(tmp_path) == [RECORD, RECORD]


def test_a_torn_line_that_stays_is_the_last_of_its_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RequestLog.create(tmp_path)
    log.extend([RECORD])
    write = os.write

    def fail(_descriptor: int, _size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:5]))
        patched.setattr(os, "ftruncate", fail)
        with pytest.raises(OSError, match="No space left"):
            log.extend([RECORD])
    log.extend([RECORD])
    log.close()
    first, second = sorted(tmp_path.iterdir())
    assert first.read_bytes() == msgspec.json.encode(RECORD) + b"\n" + msgspec.json.encode(RECORD)[:5]
    assert second.read_bytes() == msgspec.json.encode(RECORD) + b"\n"


def test_a_segment_that_cannot_be_locked_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks"):
        Segment.open(tmp_path)
    assert list(tmp_path.iterdir()) == []
