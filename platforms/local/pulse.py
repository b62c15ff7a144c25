"""The signs of life of one process: bytes that it writes into a pipe."""

from __future__ import annotations

import asyncio
import os
from typing import Final

AT_ONCE: Final = 4096
"""Signs that are read in one turn of the loop."""


class Pulse:
    """The pipe, whose `writer` the process inherits, and what came through it.

    The first sign means that the process is ready. Only one that gives further signs can be `stale`: images of before
    gave one and closed the pipe.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader, self.writer = os.pipe()
        self._first: asyncio.Future[bool] = self._loop.create_future()
        self._last: float | None = None
        self._loop.add_reader(self._reader, self._on_readable)

    async def first(self) -> bool:
        """Wait for the first sign; False if the process closed the pipe before it gave one."""
        return await asyncio.shield(self._first)

    def stale(self, seconds: float) -> bool:
        """Whether a process that went on giving signs has given none for so long."""
        return self._last is not None and self._loop.time() - self._last > seconds

    def close_writer(self) -> None:
        """Leave the writing end to the process alone."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Let go of the pipe; a second time changes nothing."""
        self.close_writer()
        if self._reader >= 0:
            self._loop.remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1
        self._first.cancel()

    def _on_readable(self) -> None:
        signs = os.read(self._reader, AT_ONCE)
        if not signs:
            self._loop.remove_reader(self._reader)
            self._last = None
        if not self._first.done():
            self._first.set_result(bool(signs))
            signs = signs[1:]
        if signs:
            self._last = self._loop.time()
