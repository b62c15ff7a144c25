from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from platforms.local.pulse import Pulse


@asynccontextmanager
async def felt() -> AsyncIterator[Pulse]:
    pulse = Pulse()
    try:
        yield pulse
    finally:
        pulse.close()
        pulse.close()


def test_an_end_before_the_first_sign_is_told() -> None:
    async def live() -> None:
        async with felt() as pulse:
            pulse.close_writer()
            assert await pulse.first() is False

    asyncio.run(live())


def test_one_that_gave_the_first_sign_only_is_never_stale() -> None:
    async def live() -> None:
        async with felt() as pulse:
            os.write(pulse.writer, b"1")
            assert await pulse.first()
            assert not pulse.stale(0.0)
            pulse.close_writer()
            await asyncio.sleep(0)
            assert not pulse.stale(0.0)

    asyncio.run(live())


def test_one_that_stops_giving_signs_is_stale() -> None:
    async def live() -> None:
        async with felt() as pulse:
            os.write(pulse.writer, b"11")
            assert await pulse.first()
            assert not pulse.stale(60.0)
            async with asyncio.timeout(5):
                while not pulse.stale(0.01):
                    await asyncio.sleep(0.01)

    asyncio.run(live())


def test_waiting_for_the_first_sign_may_end_early() -> None:
    async def live() -> None:
        async with felt() as pulse:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await pulse.first()
            os.write(pulse.writer, b"1")
            assert await pulse.first()

    asyncio.run(live())
