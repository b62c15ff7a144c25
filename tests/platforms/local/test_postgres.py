from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from platforms.errors import PlatformError
from platforms.local import postgres, sockets
from platforms.local.accounts import Account
from platforms.local.postgres import Postgres


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose outside folders are gone after the test."""
    yield tmp_path / "state"
    postgres.wipe(tmp_path / "state")


@contextmanager
def serving(cluster: Postgres) -> Iterator[subprocess.Popen[bytes]]:
    account = cluster.account
    server = subprocess.Popen(
        cluster.command,
        env=postgres.environment(),
        cwd="/",
        stderr=subprocess.DEVNULL,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    try:
        query(cluster, "select 1")
        yield server
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def query(cluster: Postgres, text: str) -> list[str]:
    """The first column of the answer, asked as the present user, as soon as the server answers."""
    client = [str(cluster.binaries / "psql"), "-h", str(cluster.sockets), "-U", "postgres", "-d", "prefect"]
    deadline = time.monotonic() + 20
    while True:
        done = subprocess.run([*client, "-Atc", text], capture_output=True, text=True)
        if done.returncode != 2:
            assert not done.stderr
            return done.stdout.split()
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.02)


def test_serves_the_database_and_keeps_it_through_a_crash(state: Path) -> None:
    cluster = postgres.locate(state)
    cluster.prepare()
    with serving(cluster) as server:
        assert "pg_trgm" in query(cluster, "select extname from pg_extension")
        query(cluster, "create table kept as select 42 as answer")
        server.kill()
        server.wait()
    # The killed server's pid now belongs, as after a reboot, to a stranger.
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    wait_for_backends(cluster)
    cluster.prepare()
    with serving(cluster):
        assert query(cluster, "select answer from kept") == ["42"]


@pytest.mark.long
def test_what_a_killed_server_left_does_not_keep_the_next_from_starting(state: Path) -> None:
    cluster = postgres.locate(state)
    cluster.prepare()
    files = cluster.data / "postmaster.pid", cluster.sockets / ".s.PGSQL.5432.lock"
    for left in ("", "\0\0\0"):
        for file in files:
            file.write_text(left)
        cluster.prepare()
        assert not any(file.exists() for file in files)
    # By now a stranger of the same user has the pid: this process, as the parent of the server, would not count.
    with subprocess.Popen(["sleep", "60"], user=cluster.account.uid if cluster.account else None) as stranger:
        try:
            for file in files:
                file.write_text(f"{stranger.pid}\n{cluster.data}\n")
            cluster.prepare()
            with serving(cluster):
                assert query(cluster, "select 42") == ["42"]
        finally:
            stranger.kill()


def wait_for_backends(cluster: Postgres) -> None:
    """A killed server's children end by themselves, a moment later."""
    deadline = time.monotonic() + 10
    while any(processes_in(cluster.data)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def processes_in(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(folder):
                yield process


def test_listens_on_a_short_private_socket_only(state: Path) -> None:
    cluster = postgres.locate(state)
    cluster.prepare()
    assert len(str(cluster.sockets / ".s.PGSQL.5432")) < 100
    assert cluster.sockets.stat().st_mode & 0o777 == 0o700
    assert "listen_addresses=" in cluster.command
    assert cluster.url == f"postgresql+asyncpg://postgres@/prefect?host={cluster.sockets}"


@pytest.mark.long
def test_a_half_made_cluster_is_made_anew(state: Path) -> None:
    cluster = postgres.locate(state)
    half = cluster.data.parent / "new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("1")
    cluster.prepare()
    assert (cluster.data / "global").is_dir()
    assert not half.exists()


@pytest.mark.long
def test_the_pid_file_of_a_live_server_stays(state: Path) -> None:
    cluster = postgres.locate(state)
    cluster.prepare()
    with serving(cluster):
        cluster.prepare()
        assert (cluster.data / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("script", "words"), [("#!/bin/sh\necho no space left >&2\nexit 1\n", "no space left"), (None, "No such file")]
)
def test_a_failing_program_is_shown_with_the_way_out(state: Path, script: str | None, words: str) -> None:
    found = postgres.locate(state)
    with tempfile.TemporaryDirectory(dir=sockets.SHORT) as name:
        binaries = Path(name)
        binaries.chmod(0o755)
        if script:
            (binaries / "initdb").write_text(script)
            (binaries / "initdb").chmod(0o755)
        cluster = Postgres(found.home, found.sockets, binaries, found.account)
        with pytest.raises(PlatformError, match=rf"(?s)initdb failed.*{words}.*RIDGELINE_DATABASE_URL"):
            cluster.prepare()
    assert not cluster.data.exists()


def test_a_closed_state_folder_gets_its_cluster_outside(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OUTSIDE", tmp_path)
    monkeypatch.setattr(postgres, "unprivileged", lambda: Account(os.geteuid(), os.getegid()))
    monkeypatch.setattr(Account, "reaches", lambda *_: False)
    cluster = postgres.locate(state)
    assert cluster.home == tmp_path / f"ridgeline-{sockets.identity(state)}"
    assert postgres.locate(state) == cluster
    done = subprocess.run([cluster.binaries / "postgres", "--version"], capture_output=True, text=True, check=True)
    assert "PostgreSQL" in done.stdout
    postgres.wipe(state)
    assert not cluster.home.exists()
    assert not state.exists()


def test_a_copied_state_folder_gets_a_cluster_of_its_own(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OUTSIDE", tmp_path)
    original = postgres._outside(state)
    copy = tmp_path / "copy"
    shutil.copytree(state, copy)
    assert postgres._outside(copy) != original
    assert postgres._outside(state) == original
    postgres.wipe(copy)


def test_a_moved_state_folder_keeps_its_cluster(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "OUTSIDE", tmp_path)
    original = postgres._outside(state)
    moved = state.rename(tmp_path / "moved")
    assert postgres._outside(moved) == original
    postgres.wipe(moved)
