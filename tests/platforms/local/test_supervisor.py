from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from platforms.errors import PlatformError
from platforms.local import control, postgres, record, releases, services, supervisor
from platforms.local.replicas import ReplicaSets
from platforms.local.service import Spec
from platforms.local.status import ServiceStatus
from platforms.local.supervisor import Supervisor
from platforms.settings import ROOT, Settings
from platforms.values import EndpointSpec, Image
from tests.waiting import awaited

TELLING = "trap 'echo {name} >> {file}; exit' {signals}; while true; do sleep 60 & wait; done"

HEARING = ("env", "--default-signal=INT")
"""A shell cannot trap what was ignored when it began, as SIGINT is below a background job."""


class Replicas(ReplicaSets):
    """Endpoints that serve nothing until they are cancelled, or fail when told so."""

    def __init__(self, error: PlatformError | None = None) -> None:
        self.error = error

    async def run(self) -> None:
        if self.error:
            raise self.error
        await asyncio.Event().wait()

    def services(self) -> list[ServiceStatus]:
        return []


@pytest.fixture
def ended(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Services that only write their names into this file when they are told to end."""
    file = tmp_path / "ended"

    def spec(name: str) -> Spec:
        script = TELLING.format(name=name, file=file, signals="TERM INT")
        stop = signal.SIGINT if name == "postgres" else signal.SIGTERM
        return Spec(
            name, (*HEARING, "sh", "-c", script), {"PATH": os.defpath}, services.log(settings, name), stop_signal=stop
        )

    monkeypatch.setattr(services, "database", lambda _: ("url", spec("postgres")))
    monkeypatch.setattr(services, "server", lambda *_: spec("server"))
    monkeypatch.setattr(services, "others", lambda _: [spec("launcher")])
    monkeypatch.setattr(services, "clients", lambda _: [spec("worker"), spec("listener")])
    settings.state_dir.mkdir()
    return file


@pytest.fixture
def strangers() -> list[psutil.Process]:
    """What this process had before the test: the server of other tests, for one."""
    return psutil.Process().children()


def test_services_start_and_end_in_order(settings: Settings, ended: Path, strangers: list[psutil.Process]) -> None:
    async def story() -> None:
        stop = asyncio.Event()
        serving = asyncio.create_task(Supervisor(settings, Replicas()).run(stop))
        await awaited(lambda: (found := record.read(settings.state_dir)) and found.phase == "up")
        found = record.read(settings.state_dir)
        assert found
        names = [entry.status.name for entry in found.services]
        assert names == ["postgres", "launcher", "server", "worker", "listener"]
        assert all(entry.status.healthy for entry in found.services)
        stop.set()
        await serving

    asyncio.run(story())
    order = ended.read_text().split()
    assert set(order[:2]) == {"worker", "listener"}
    assert set(order[2:4]) == {"launcher", "server"}
    assert order[4:] == ["postgres"]
    found = record.read(settings.state_dir)
    assert found
    assert found.phase == "stopping"
    assert psutil.Process().children() == strangers


def test_a_first_start_without_hope_ends_everything(
    settings: Settings, ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Spec("server", ("false",), {}, services.log(settings, "server"), check=_never)
    monkeypatch.setattr(services, "server", lambda *_: broken)
    with pytest.raises(PlatformError, match="the service server does not start"):
        asyncio.run(Supervisor(settings, Replicas()).run(asyncio.Event()))
    assert "postgres" in ended.read_text()
    found = record.read(settings.state_dir)
    assert found
    assert found.phase == "failed"


async def _never() -> bool:
    return False


@pytest.mark.usefixtures("ended")
def test_endpoints_that_cannot_be_kept_end_everything(settings: Settings, strangers: list[psutil.Process]) -> None:
    with pytest.raises(PlatformError, match="another supervisor"):
        asyncio.run(Supervisor(settings, Replicas(PlatformError("another supervisor"))).run(asyncio.Event()))
    assert psutil.Process().children() == strangers


@pytest.mark.usefixtures("ended")
def test_nobody_goes_on_booting_when_endpoints_cannot_be_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = services.database, threading.Event()
    monkeypatch.setattr(services, "database", lambda settings: answer.wait() and asked(settings))

    async def story() -> None:
        with pytest.raises(PlatformError, match="another supervisor"):
            await Supervisor(settings, Replicas(PlatformError("another supervisor"))).run(asyncio.Event())
        try:
            assert asyncio.all_tasks() == {asyncio.current_task()}
        finally:
            answer.set()

    asyncio.run(story())


@pytest.mark.usefixtures("ended")
def test_a_stop_during_the_start_is_heeded(settings: Settings, strangers: list[psutil.Process]) -> None:
    async def story() -> None:
        stop = asyncio.Event()
        stop.set()
        await Supervisor(settings, Replicas()).run(stop)

    asyncio.run(story())
    assert psutil.Process().children() == strangers


@pytest.mark.usefixtures("ended")
def test_orphans_of_a_killed_worker_end_too_and_are_buried(settings: Settings) -> None:
    async def story() -> None:
        stop = asyncio.Event()
        serving = asyncio.create_task(Supervisor(settings, Replicas()).run(stop))
        await awaited(lambda: (found := record.read(settings.state_dir)) and found.phase == "up")
        orphan = subprocess.Popen(["sleep", "60"])
        short = subprocess.Popen(["true"])
        await awaited(lambda: not psutil.pid_exists(short.pid))
        stop.set()
        await serving
        assert not psutil.pid_exists(orphan.pid) or orphan.poll() is not None
        short.returncode = orphan.returncode = 0

    asyncio.run(story())


def test_one_supervisor_per_state_folder(settings: Settings) -> None:
    with supervisor._lock(settings), pytest.raises(SystemExit, match="another supervisor serves"):
        supervisor._lock(settings)


def test_who_looks_for_a_supervisor_keeps_none_from_starting(settings: Settings) -> None:
    settings.state_dir.mkdir()
    with (settings.state_dir / "supervisor.lock").open("a") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, looking.close).start()
        with supervisor._lock(settings):
            assert control.supervised(settings.state_dir)


def test_a_spoilt_journal_does_not_keep_the_services_down(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Settings) -> None:
        raise PlatformError("entry 3 was changed")

    monkeypatch.setattr(releases, "recorded", refuse)
    supervisor._restore(settings, Replicas())
    assert "entry 3 was changed" in capsys.readouterr().err


def test_endpoints_of_another_platform_are_not_served_here(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, restored = EndpointSpec("diabetes", "prod", Image("diabetes:1-a", "sha256:a"), 1), Mock()
    monkeypatch.setattr(releases, "recorded", lambda _: [spec])
    for platform in ("local", "azure"):
        supervisor._restore(settings.model_copy(update={"platform": platform}), restored)
    assert [list(*call.args) for call in restored.restore.call_args_list] == [[spec], []]


def test_a_tied_supervisor_ends_with_its_parent(settings: Settings) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'platforms.local.supervisor', '--tied'])\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        deadline = time.monotonic() + 20
        while record.read(settings.state_dir) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.kill()
    gone, _ = psutil.wait_procs([child], 60)
    assert gone
    postgres.wipe(settings.state_dir)
