"""Waiting for what another thread, process or server is about to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

STEP = 0.01


def wait_for(condition: Callable[[], object], seconds: float = 20.0, step: float = STEP) -> None:
    """Wait until something is true, looking every `step` seconds; fails after so many `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{condition} stayed false for {seconds:g} s"
        time.sleep(step)


async def awaited(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """The same beside other tasks of the event loop."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{condition} stayed false for {seconds:g} s"
        await asyncio.sleep(STEP)
