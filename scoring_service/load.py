"""Back-pressure: what is refused at once, so that what is accepted is answered in time.

Requests are answered one after another, so a request waits while those that arrived in the same turn of the event
loop are answered. Nothing is refused for waiting shorter than `max_wait_seconds`, or as one of the first
`max_concurrency` of a turn: up to so many connections that ask one by one are never refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scoring_service.problem import ProblemError
from scoring_service.settings import Settings

RETRY: Final = b"retry-after: 1\r\n"


class Load:
    """What is being done. `waiting` counts answers that are not ready yet."""

    def __init__(self, settings: Settings) -> None:
        self.waiting = 0
        self.call_soon: Callable[[Callable[[], None]], object] | None = None
        """The event loop's, which calls back when the turn is over; without it no turn ever ends."""
        self._concurrency = settings.max_concurrency
        self._seconds = settings.max_wait_seconds
        self._most = settings.max_waiting
        self._count = 0
        self._turn = 0.0

    def admit(self, started: float) -> None:
        """Count a request that was complete at `started` (`perf_counter`, s); raises `ProblemError` to refuse it."""
        if self._count == 0:
            self._turn = started
            if self.call_soon is not None:
                self.call_soon(self._end_turn)
        self._count += 1
        if started - self._turn > self._seconds and self._count > self._concurrency:
            raise ProblemError(503, "there is too much to do, ask again later", headers=RETRY, kind="overload")
        if self.waiting >= self._most:
            raise ProblemError(503, f"{self.waiting} answers wait already", headers=RETRY, kind="overload")

    def _end_turn(self) -> None:
        self._count = 0
