from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from platforms.local.pulse import Pulse


def felt(story: Callable[[Pulse], Awaitable[None]]) -> Callable[[], None]:
    """The test that tells a story of one pulse, which may be closed more than once."""

    async def told() -> None:
        pulse = Pulse()
        try:
            await story(pulse)
        finally:
            pulse.close()
            pulse.close()

    return lambda: asyncio.run(told())


@felt
async def test_an_end_before_the_first_sign_is_told(pulse: Pulse) -> None:
    pulse.close_writer()
    assert await pulse.first() is False


@felt
async def test_one_that_gave_the_first_sign_only_is_never_stale(pulse: Pulse) -> None:
    os.write(pulse.writer, b"1")
    assert await pulse.first()
    assert not pulse.stale(0.0)


@felt
async def test_one_that_stops_giving_signs_is_stale_until_it_has_ended(pulse: Pulse) -> None:
    os.write(pulse.writer, b"11")
    assert await pulse.first()
    assert not pulse.stale(60.0)
    async with asyncio.timeout(5):
        while not pulse.stale(0.01):
            await asyncio.sleep(0.01)
        pulse.close_writer()
        while pulse.stale(0.01):
            await asyncio.sleep(0.01)


@felt
async def test_waiting_for_the_first_sign_may_end_early(pulse: Pulse) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await pulse.first()
    os.write(pulse.writer, b"1")
    assert await pulse.first()
