"""A wish to stop, made by a signal."""

from __future__ import annotations

import os
import select
import signal


class Stop:
    """Set once. Unlike a `threading.Event`, it can be set by a signal handler wherever the main thread is."""

    def __init__(self) -> None:
        self.wished = False
        self._reader, self._writer = os.pipe()

    def listen(self) -> None:
        """Let SIGTERM and SIGINT set it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.set())

    def set(self) -> None:
        """Wish."""
        self.wished = True
        os.write(self._writer, b"\0")

    def wait(self, seconds: float) -> None:
        """Return after this time, or as soon as it is set."""
        select.select([self._reader], [], [], seconds)
