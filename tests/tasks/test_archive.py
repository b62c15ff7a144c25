from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from platforms.errors import PlatformError
from platforms.platform import Platform
from platforms.settings import Settings
from tasks import archive, scratch


def stored(platform: Platform) -> dict[str, bytes]:
    found = {}
    for blob in platform.storage.list("logs/"):
        with platform.storage.open(blob.path) as content:
            found[blob.path] = content.read()
    return found


def left_behind(settings: Settings, run: str, age: float) -> Path:
    """The folder of a run that was killed so many seconds ago."""
    folder = settings.state_dir / "logs" / "runs" / "diabetes" / run
    folder.mkdir(parents=True)
    (folder / "flow.log").write_text("its last line\n")
    then = time.time() - age
    os.utime(folder, (then, then))
    return folder


def test_all_that_a_run_logs_is_stored(platform: Platform, settings: Settings) -> None:
    with archive.archived("diabetes"), temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):
        logging.getLogger("prefect.flow_runs").error("a line")
        archive.file_of("diabetes", "training.log").write_text("a job's line\n")
    found = stored(platform)
    assert found["logs/diabetes/local/training.log"] == b"a job's line\n"
    assert b"ERROR flow: a line" in found["logs/diabetes/local/flow.log"]
    assert list((settings.state_dir / "logs" / "runs" / "diabetes").iterdir()) == []


def test_a_killed_runs_log_is_stored_by_the_next_one(platform: Platform, settings: Settings) -> None:
    left_behind(settings, "killed", age=3600)
    fresh, held = left_behind(settings, "fresh", age=0), left_behind(settings, "held", age=3600)
    lock = scratch.hold(held)
    assert lock is not None
    with archive.archived("diabetes"):
        assert stored(platform) == {"logs/diabetes/killed/flow.log": b"its last line\n"}
    os.close(lock)
    assert (fresh.exists(), held.exists()) == (True, True)


@pytest.mark.parametrize("error", [PlatformError("there is no container yet"), OSError("the disk is full")])
def test_a_log_that_cannot_be_stored_stays_for_a_later_run(
    platform: Platform, settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(type(platform.storage), "upload", refuse)
        with archive.archived("diabetes"):
            pass
    folder = settings.state_dir / "logs" / "runs" / "diabetes" / "local"
    assert (folder / "flow.log").exists()
    then = time.time() - 3600
    os.utime(folder, (then, then))
    with archive.archived("diabetes"):
        assert "logs/diabetes/local/flow.log" in stored(platform)
