from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from platforms.errors import PlatformError
from platforms.local import service as module
from platforms.local import service_log
from platforms.local.service import Service, Spec
from tests.waiting import awaited

SLEEP = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)")


def spec(folder: Path, command: tuple[str, ...] = ("sleep", "60")) -> Spec:
    return Spec("sleeper", command, {"PATH": os.defpath}, folder / "logs" / "sleeper.log")


@asynccontextmanager
async def kept(service: Service) -> AsyncIterator[Service]:
    keeper = asyncio.create_task(service.keep())
    try:
        yield service
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await service.stop()


def test_a_killed_service_comes_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Service(spec(tmp_path))) as service:
            await asyncio.wait_for(service.healthy.wait(), 10)
            first = service.status()
            assert first.healthy
            assert first.pid
            os.kill(first.pid, signal.SIGKILL)
            await awaited(lambda: service.pid not in (None, first.pid) and service.status().healthy)
        assert service.status().pid is None
        assert not service.status().healthy

    asyncio.run(story())
    assert "ended with code -9" in (tmp_path / "logs" / "sleeper.log").read_text()


def test_an_error_that_nobody_foresaw_does_not_end_who_keeps_the_service(tmp_path: Path) -> None:
    errors = [RuntimeError("can't start new thread")]

    def prepare() -> None:
        if errors:
            raise errors.pop()

    async def story() -> None:
        async with kept(Service(replace(spec(tmp_path), prepare=prepare))) as service:
            await asyncio.wait_for(service.healthy.wait(), 10)

    asyncio.run(story())
    assert "cannot start: can't start new thread" in (tmp_path / "logs" / "sleeper.log").read_text()


def test_a_full_disk_does_not_end_who_keeps_the_service(tmp_path: Path) -> None:
    async def story() -> None:
        full = replace(spec(tmp_path), log=Path("/dev/full"))
        async with kept(Service(full)) as service:
            await asyncio.wait_for(service.healthy.wait(), 10)
            first = service.pid
            assert first
            os.kill(first, signal.SIGKILL)
            await awaited(lambda: service.pid not in (None, first) and service.status().healthy)

    asyncio.run(story())


def test_a_service_that_never_gets_healthy_is_tried_ever_more_slowly(tmp_path: Path) -> None:
    async def story() -> list[float]:
        starts: list[float] = []
        dying = replace(spec(tmp_path, ("false",)), check=never, prepare=lambda: starts.append(time.monotonic()))
        async with kept(Service(dying)) as service:
            await awaited(lambda: service.failures == 3)
        return starts

    first, second, third = asyncio.run(story())[:3]
    assert 0.3 < second - first < third - second


def test_who_watches_a_life_ends_with_it_though_the_check_answers_just_then(tmp_path: Path) -> None:
    async def story() -> None:
        ended: asyncio.Queue[asyncio.Task[object]] = asyncio.Queue()

        async def ends_meanwhile() -> bool:
            [watcher] = [task for task in asyncio.all_tasks() if "Service._watch" in repr(task.get_coro())]
            watcher.cancel()
            ended.put_nowait(watcher)
            return False

        async with kept(Service(replace(spec(tmp_path), check=ends_meanwhile))):
            watcher = await ended.get()
            await asyncio.wait({watcher}, timeout=5)
            assert watcher.cancelled()
            assert ended.empty()

    asyncio.run(story())


def test_a_service_that_dies_soon_after_its_start_is_slowed_down_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(steady: float) -> int:
        monkeypatch.setattr(module, "STEADY", steady)
        async with kept(Service(spec(tmp_path))) as service:
            for _ in range(2):
                await asyncio.wait_for(service.healthy.wait(), 10)
                before = service.pid
                assert before
                os.kill(before, signal.SIGKILL)
                await awaited(functools.partial(_another, service, before))
            return service.failures

    assert asyncio.run(story(60)) == 2
    assert asyncio.run(story(0)) == 0


def _another(service: Service, before: int) -> bool:
    return service.pid not in (None, before)


async def never() -> bool:
    return False


def test_a_service_that_cannot_be_prepared_says_so_and_is_tried_again(tmp_path: Path) -> None:
    tries = iter([PlatformError("no room"), FileNotFoundError("no program"), None])

    def prepare() -> None:
        if error := next(tries):
            raise error

    async def story() -> None:
        async with kept(Service(replace(spec(tmp_path), prepare=prepare))) as service:
            await asyncio.wait_for(service.healthy.wait(), 10)
            assert service.failures == 2

    asyncio.run(story())
    log = (tmp_path / "logs" / "sleeper.log").read_text()
    assert "cannot start: no room" in log
    assert "cannot start: no program" in log


def test_a_check_that_fails_as_nobody_foresaw_is_no_answer(tmp_path: Path) -> None:
    answers = iter([LookupError("odd")])

    async def check() -> bool:
        if error := next(answers, None):
            raise error
        return True

    async def story() -> None:
        async with kept(Service(replace(spec(tmp_path), check=check))) as service:
            await asyncio.wait_for(service.healthy.wait(), 10)

    asyncio.run(story())


def test_a_hung_service_is_killed_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 2)
    answers = iter([True, False, False])

    async def check() -> bool:
        return next(answers, True)

    async def story() -> None:
        async with kept(Service(replace(spec(tmp_path), check=check))) as service:
            await asyncio.wait_for(service.healthy.wait(), 10)
            first = service.pid
            await awaited(lambda: service.pid not in (None, first) and service.healthy.is_set())

    asyncio.run(story())
    assert "does not answer" in (tmp_path / "logs" / "sleeper.log").read_text()


def test_a_service_that_takes_too_long_to_start_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_TIMEOUT", 0.0)
    monkeypatch.setattr(module, "CHECK_TIMEOUT", 0.05)

    async def hang() -> bool:
        await asyncio.Event().wait()
        return True

    async def story() -> None:
        async with kept(Service(replace(spec(tmp_path), check=hang))) as service:
            await awaited(lambda: service.failures > 0)

    asyncio.run(story())


def test_a_stop_takes_the_whole_group(tmp_path: Path) -> None:
    stubborn = spec(tmp_path, ("sh", "-c", "trap '' TERM; sleep 60 & sleep 61"))

    async def story() -> list[psutil.Process]:
        async with kept(Service(replace(stubborn, grace=0.2))) as service:
            await awaited(lambda: service.pid is not None and len(psutil.Process(service.pid).children()) == 2)
            assert service.pid
            return psutil.Process(service.pid).children()

    gone, alive = psutil.wait_procs(asyncio.run(story()), 5)
    assert len(gone) == 2
    assert not alive


def test_a_stop_before_the_start_does_nothing(tmp_path: Path) -> None:
    asyncio.run(Service(spec(tmp_path)).stop())


def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_log, "LIMIT", 3)
    log = tmp_path / "logs" / "sleeper.log"
    log.parent.mkdir()
    log.write_text("old and long")

    async def story() -> None:
        async with kept(Service(spec(tmp_path, SLEEP))):
            await awaited(lambda: "here" in log.read_text())

    asyncio.run(story())
    assert "old" not in log.read_text()
    assert log.with_suffix(".log.1").read_text() == "old and long"
