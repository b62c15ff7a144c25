from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from platforms.local import leftovers, postgres, processes, sockets, supervisor
from platforms.settings import Settings
from tests.waiting import wait_for


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for socket folders of its own; a unix socket's path must be short."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(sockets, "SHORT", Path(folder))
        monkeypatch.setattr(postgres, "OUTSIDE", Path(folder) / "var")
        yield Path(folder)


@contextmanager
def sleeper(state: Path) -> Iterator[int]:
    """A process that a supervisor of this state folder seems to have started, and that has lost its parent."""
    code = "import subprocess as s; print(s.Popen(['sleep', '60'], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)"
    environment = {**os.environ, processes.MARKER: str(state)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)


def mine(settings: Settings, *others: Path) -> list[tuple[str, str]]:
    """Status and message of the checks about orphans of this test's states; other tests run beside it."""
    states = [str(state) for state in (settings.state_dir, *others)]
    found = leftovers.orphans(settings)
    return [(check.status, check.message) for check in found if any(state in check.message for state in states)]


def stale(settings: Settings) -> list[str]:
    return [check.message.split()[0] for check in leftovers.folders(settings) if check.status == "warning"]


def test_processes_without_a_supervisor_are_told(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with sleeper(settings.state_dir) as first, sleeper(other) as second:
        found = mine(settings, other)
        advice = {check.advice for check in leftovers.orphans(settings)}
    text = "1 processes of a dead supervisor of {} run: {}"
    assert sorted(found) == [
        ("problem", text.format(settings.state_dir, first)),
        ("warning", text.format(other, second)),
    ]
    assert advice >= {"`ridgeline down` ends them", f"`RIDGELINE_STATE={other} ridgeline down` ends them"}


def test_processes_of_a_live_supervisor_are_none(settings: Settings) -> None:
    with sleeper(settings.state_dir), supervisor._lock(settings):
        assert mine(settings) == []


def test_processes_that_somebody_looks_after_are_none(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    environment = {**os.environ, processes.MARKER: str(other)}
    with subprocess.Popen(["sleep", "60"], env=environment) as process:
        try:
            assert mine(settings, other) == []
        finally:
            process.kill()


def test_what_started_the_doctor_is_no_leftover(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os, sys\nfrom platforms.local import leftovers\nfrom platforms.settings import Settings\n"
        "print([c.message for c in leftovers.orphans(Settings()) if str(Settings().state_dir) in c.message])"
    )
    environment = {**os.environ, processes.MARKER: str(settings.state_dir)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_nothing_left_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setattr(leftovers, "_marked", dict)
    checks = [*leftovers.orphans(settings), *leftovers.folders(settings)]
    assert [(check.status, check.message) for check in checks] == [
        ("ok", "no process without its supervisor"),
        ("ok", "no folder without its state"),
    ]
    assert not settings.state_dir.exists(), "a look makes nothing"


def test_a_folder_lives_as_long_as_its_state(settings: Settings, short: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    mine, theirs = sockets.folder(settings.state_dir), sockets.folder(other)
    assert stale(settings) == []
    (other / "postgres.id").unlink()
    assert stale(settings) == [str(theirs)]
    assert mine != theirs


def test_a_state_that_was_made_anew_does_not_own_the_old_folder(
    settings: Settings, short: Path, tmp_path: Path
) -> None:
    old = sockets.folder(tmp_path / "other")
    (tmp_path / "other" / "postgres.id").unlink()
    new = sockets.folder(tmp_path / "other")
    assert stale(settings) == [str(old)]
    assert old != new


def test_the_database_s_folder_is_found_too(settings: Settings, short: Path) -> None:
    gone = short / "var" / "ridgeline-0123456789abcdef"
    gone.mkdir(parents=True)
    (gone / "state").write_text("/no/such/state")
    [check] = [check for check in leftovers.folders(settings) if check.status == "warning"]
    assert check.message == f"{gone} is used by nobody, and its state folder /no/such/state is gone"
    assert check.advice.startswith(f"`rm -r {gone}`")


def test_a_folder_of_unknown_owner_is_kept_while_somebody_listens(settings: Settings, short: Path) -> None:
    folder = short / "ridgeline-0123456789abcdef"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "launcher.sock"))
        listener.listen()
        assert stale(settings) == []
    wait_for(lambda: stale(settings) == [str(folder)])


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_other_names_and_files_are_not_ours(settings: Settings, short: Path, make: Callable[[Path], None]) -> None:
    make(short / "ridgeline-batch-0123456789")
    (short / "ridgeline-0123456789abcdef").touch()
    assert stale(settings) == []


def test_another_user_s_folder_is_not_ours(settings: Settings, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short / "ridgeline-0123456789abcdef").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert stale(settings) == []
