"""One turn of the event loop: what arrived together is answered and recorded together, and only then sent.

Law: no answer is written before its record is in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Protocol, TypeAlias

from scoring_service.heads import Repeated
from scoring_service.load import Load
from scoring_service.messages import Response, render

Due: TypeAlias = tuple[asyncio.Transport, Response, bool]
"""Where to, what, and whether without its body."""


class Answering(Protocol):
    """What answers requests together."""

    load: Load

    def answer_all(self, asked: Sequence[Repeated], started: float, date: bytes) -> Sequence[bytes] | None:
        """The answers to requests of the route that answers many `together`, recorded and rendered.

        None if each is to be answered alone; then nothing was done.
        """
        ...

    def answer_each(self, asked: Sequence[Repeated], started: float) -> Sequence[Response]:
        """The answers to requests of that route, to be flushed."""
        ...

    def flush(self) -> None:
        """Write the records of what was answered; a refusal takes the place of an answer without one."""
        ...


class Turn:
    """Requests and answers that wait for the end of the turn. At most `together` requests are answered at once."""

    __slots__ = ("_asked", "_begun", "_due", "_handler", "_load", "_started", "_together", "date", "number")

    def __init__(self, handler: Answering, together: int) -> None:
        self._handler = handler
        self._load = handler.load
        self._load.on_begin = self._begin
        self._together = together
        self._asked: list[Repeated] = []
        self._started = 0.0
        self._due: list[Due] = []
        self._begun = False
        self.date = b""
        self.number = 0

    def ask(self, request: Repeated) -> int:
        """Answer the request at the end of the turn, together with all others that are asked in it.

        Before anything else is answered on the same connection, the turn has to `end`, if its `number` still is what
        is returned.
        """
        if not self._asked:
            self._started = perf_counter()
            self._load.begin(self._started)
        self._asked.append(request)
        return self.number

    def add(self, transport: asyncio.Transport, response: Response, bare: bool) -> None:
        """Write the answer at the end of the turn."""
        if not self._begun:
            self._begin()
        self._due.append((transport, response, bare))

    def end(self) -> None:
        """Write the records and then the answers of what was answered, and of what was asked for after it."""
        self.number += 1
        asked, self._asked = self._asked, []
        self._send()
        for first in range(0, len(asked), self._together):
            self._answer(asked[first : first + self._together])

    def _answer(self, asked: Sequence[Repeated]) -> None:
        answers = self._handler.answer_all(asked, self._started, self.date)
        if answers is None:
            each = self._handler.answer_each(asked, self._started)
            self._due = [(transport, answer, False) for (transport, _, _), answer in zip(asked, each, strict=True)]
            self._send()
            return
        for (transport, _, _), rendered in zip(asked, answers, strict=True):
            if not transport.is_closing():
                transport.write(rendered)

    def _send(self) -> None:
        self._handler.flush()
        due, self._due = self._due, []
        for transport, response, bare in due:
            if not transport.is_closing():
                transport.write(render(response, self.date, bare))

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            asyncio.get_running_loop().call_soon(self._over)

    def _over(self) -> None:
        """All that had arrived was read."""
        self._begun = False
        try:
            self.end()
        finally:
            self._load.end(perf_counter())
