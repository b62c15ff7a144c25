from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from log_shipper import __main__ as program
from log_shipper import priority
from log_shipper.stopping import Stop
from platforms.local.storage import LocalStorage
from platforms.settings import Settings
from tests.log_shipper.made import closed, ids, many, record, shipped
from tests.waiting import wait_for


@pytest.fixture
def storage(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStorage:
    monkeypatch.setenv("SHIPPER_LOG_DIR", str(tmp_path / "log"))
    monkeypatch.setenv("SHIPPER_INTERVAL", "0.05")
    monkeypatch.setenv("SHIPPER_NICE", "1")
    for name in program.FRUGAL:
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(priority, "stand_back", lambda nice: None)
    monkeypatch.setattr(Stop, "listen", lambda _: None)
    return LocalStorage.of(settings)


@pytest.fixture
def process(storage: LocalStorage) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-m", "log_shipper"], stderr=subprocess.DEVNULL) as started:
        yield started
        started.kill()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What the program says at its end, nothing if all is well."""
    monkeypatch.setattr(sys, "argv", ["log_shipper", *arguments])
    try:
        program.main()
    except SystemExit as end:
        return str(end.code)
    return ""


def test_it_ships_with_low_priority_alone_until_sigterm(
    process: subprocess.Popen[bytes], storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(tmp_path / "log", record("a"))
    wait_for(lambda: shipped(storage))
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 1
    closed(tmp_path / "log", record("b"))
    wait_for(lambda: len(shipped(storage)) == 2)
    assert f"another shipper serves {tmp_path / 'log'}" in run(monkeypatch, "--once")
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert sorted(os.listdir(tmp_path / "log")) == [".shipper.lock"]


def test_once_ships_what_is_there(storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed(tmp_path / "log", *many(3))
    assert run(monkeypatch, "--once") == ""
    assert len(ids(shipped(storage))) == 3


def test_once_tells_what_it_could_not_ship(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(tmp_path / "log", *many(3)).write_text("garbage\n")
    assert run(monkeypatch, "--once") == f"1 segments are left in {tmp_path / 'log'}"
    assert shipped(storage) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SHIPPER_LOG_DIR", None, "SHIPPER_LOG_DIR: Field required"),
        ("SHIPPER_INTERVAL", "0", "SHIPPER_INTERVAL: Input should be greater than 0"),
        ("SHIPPER_LONGEST_PAUSE", "long", "SHIPPER_LONGEST_PAUSE: Input should be a valid number"),
    ],
)
@pytest.mark.usefixtures("storage")
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, message: str
) -> None:
    monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    assert message in run(monkeypatch)


@pytest.mark.usefixtures("storage")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").touch()
    assert run(monkeypatch) == f"{tmp_path / 'log'} cannot be written: File exists (SHIPPER_LOG_DIR)"


@pytest.mark.usefixtures("storage")
def test_an_unknown_argument_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "--one") == "unknown arguments ['--one']: there is only --once"


def test_a_stop_is_noticed_at_once() -> None:
    stop = Stop()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        stop.listen()
        signal.raise_signal(signal.SIGTERM)
        stop.wait(60)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert stop.wished
