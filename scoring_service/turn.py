"""One turn of the event loop: what arrived together is recorded together, and only then answered.

Law: no answer is written before the records of all answers of its turn are in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from scoring_service.messages import Response, render

Due: TypeAlias = tuple[asyncio.Transport, Response, bool]
"""Where to, what, and whether without its body."""


class Turn:
    """Answers that wait for the end of the turn; `flush` writes their records."""

    __slots__ = ("_due", "_flush", "date")

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._due: list[Due] = []
        self.date = b""

    def add(self, transport: asyncio.Transport, response: Response, bare: bool) -> None:
        """Write the answer at the end of the turn."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self.end)
        self._due.append((transport, response, bare))

    def end(self) -> None:
        """Write all records, then all answers."""
        self._flush()
        due, self._due = self._due, []
        for transport, response, bare in due:
            if not transport.is_closing():
                transport.write(render(response, self.date, bare))
