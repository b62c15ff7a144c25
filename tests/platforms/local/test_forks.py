from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from platforms.local import forks
from platforms.local.forks import Fork
from platforms.local.service import Service, Spec
from tests.platforms.local.launching import folder as folder
from tests.platforms.local.launching import server as server
from tests.waiting import awaited


async def start(folder: Path, *arguments: str, socket: str = "l.sock") -> Fork | None:
    with (folder / "output").open("ab") as output:
        environment = {**os.environ, "COLOUR": "green"}
        return await forks.start(folder / socket, ("program", *arguments), environment, folder, output.fileno())


async def ended(folder: Path, *arguments: str) -> int:
    fork = await start(folder, *arguments)
    assert fork
    code = await fork.wait()
    assert fork.returncode == await fork.wait() == code
    return code


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("end", "code"), [(["code", "7"], 7), (["none"], 0), (["die"], -signal.SIGKILL)])
def test_a_module_runs_and_its_end_is_told(folder: Path, end: list[str], code: int) -> None:
    assert asyncio.run(ended(folder, *end)) == code
    assert (folder / "output").read_text() == f"{folder} {end} green __main__\nto stderr\n"


def test_it_outlives_the_launcher_and_is_sent_signals_still(folder: Path, server: psutil.Process) -> None:
    async def story() -> int:
        fork = await start(folder, "sleep")
        assert fork
        assert psutil.Process(fork.pid).ppid() == server.pid
        server.kill()
        server.wait()
        assert fork.returncode is None
        fork.send_signal(signal.SIGTERM)
        return await fork.wait()

    assert asyncio.run(story()) == -signal.SIGKILL, "nobody is there who could say how it ended"


def test_a_death_is_noticed_although_the_launcher_hangs(folder: Path, server: psutil.Process) -> None:
    async def story() -> int:
        fork = await start(folder, "sleep")
        assert fork
        server.suspend()
        fork.send_signal(signal.SIGKILL)
        async with asyncio.timeout(30):
            return await fork.wait()

    try:
        assert asyncio.run(story()) == -signal.SIGKILL
    finally:
        server.resume()


def test_where_no_launcher_answers_there_is_no_fork(folder: Path) -> None:
    assert asyncio.run(start(folder, "none", socket="other.sock")) is None


@pytest.mark.parametrize("launched", [True, False])
def test_a_service_is_its_fork_or_a_process_of_its_own(folder: Path, server: psutil.Process, launched: bool) -> None:
    socket = folder / ("l.sock" if launched else "other.sock")
    command = (sys.executable, "-m", "program", "sleep")
    spec = Spec("sleeper", command, dict(os.environ), folder / "sleeper.log", directory=folder, launcher=socket)

    def lines() -> int:
        return spec.log.read_text().count("['sleep']") if spec.log.exists() else 0

    async def story() -> None:
        service = Service(spec)
        keeper = asyncio.create_task(service.keep())
        await awaited(lambda: lines() == 1)
        first = service.pid
        assert first
        assert (psutil.Process(first).ppid() == server.pid) is launched
        os.kill(first, signal.SIGKILL)
        await awaited(lambda: lines() == 2)
        assert service.pid != first
        keeper.cancel()
        await service.stop()
        assert service.pid is None

    asyncio.run(story())
    assert "sleeper ended with code -9" in spec.log.read_text()
