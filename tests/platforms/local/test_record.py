from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from platforms.local import record
from platforms.local.status import ServiceStatus
from platforms.settings import Settings


def test_what_was_written_is_read(settings: Settings) -> None:
    settings.state_dir.mkdir()
    statuses = [ServiceStatus("server", os.getpid(), True, "http://here"), ServiceStatus("worker", None, False, None)]
    record.write(settings, "up", statuses)
    found = record.read(settings.state_dir)
    assert found
    assert (found.phase, found.pid, found.prefect_url) == ("up", os.getpid(), settings.prefect_url)
    assert [entry.status for entry in found.services] == statuses
    supervisor = found.supervisor()
    assert supervisor
    assert supervisor.pid == os.getpid()


def test_an_unchanged_record_is_not_written_again(settings: Settings) -> None:
    settings.state_dir.mkdir()
    record.write(settings, "up", [])
    before = (settings.state_dir / "services.json").stat()
    record.write(settings, "up", [])
    assert (settings.state_dir / "services.json").stat().st_ino == before.st_ino
    record.write(settings, "stopping", [])
    assert (settings.state_dir / "services.json").stat().st_ino != before.st_ino


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"services": [{}]}', '{"services": [], "unknown": 1}'])
def test_a_spoilt_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "services.json").write_text(text)
    assert record.read(tmp_path) is None


def test_leftovers_are_recorded_processes_that_still_run(settings: Settings) -> None:
    settings.state_dir.mkdir()
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        record.write(settings, "up", [ServiceStatus("worker", process.pid, True, None)])
        found = record.read(settings.state_dir)
        assert found
        left = found.leftovers()
        assert len(left) == 2
        for each in left:
            each.kill()
        process.wait()
        assert found.leftovers() == set()
