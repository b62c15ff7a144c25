from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from scoring_service.request_log import LogError, LogRecord, RequestLog

RECORD = LogRecord("id", datetime(2026, 1, 2, tzinfo=UTC), "qa", "diabetes", 3, "d", [], [1.5], 0.25, "default")


def test_a_record_is_one_line(tmp_path: Path) -> None:
    log = RequestLog.create(tmp_path / "new" / "folder")
    log.append(RECORD)
    log.append(RECORD)
    log.close()
    (file,) = (tmp_path / "new" / "folder").iterdir()
    lines = file.read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=LogRecord) for line in lines] == [RECORD, RECORD]


def test_an_unused_log_leaves_no_file(tmp_path: Path) -> None:
    RequestLog.create(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogError, match="SCORING_LOG_DIR"):
        RequestLog.create(tmp_path / "file" / "logs")


def test_a_torn_line_is_taken_back(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from tests.scoring_service.test_request_log import RECORD, RequestLog
import msgspec
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = RequestLog.create(Path({str(tmp_path)!r}))
size = len(msgspec.json.encode(RECORD)) + 1
resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size + 5, resource.RLIM_INFINITY))
log.append(RECORD)
log.append(RECORD)
try:
    log.append(RECORD)
except OSError as error:
    print("refused", error.strerror)
log.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused")
    (file,) = tmp_path.iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    assert [msgspec.json.decode(line, type=LogRecord) for line in lines] == [RECORD, RECORD]
    assert lines[-1].endswith(b"\n")
