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
        self.on_begin: Callable[[], None] = lambda: None
        """Called when a turn begins; whoever that is has to `end` it."""
        self._concurrency = settings.max_concurrency
        self._seconds = settings.max_wait_seconds
        self._most = settings.max_waiting
        self._begun = False
        self._count = 0
        self._turn = 0.0
        self._ended = 0.0
        self._busy = 0.0

    def admit(self, now: float) -> None:
        """Count a request that is looked at now (`perf_counter`, s); raises `ProblemError` to refuse it."""
        self.check(now, 1)
        self._count += 1

    def check(self, now: float, requests: int) -> None:
        """Raise `ProblemError` if so many more requests are too many now."""
        self.begin(now)
        if now - self._turn > self._seconds and self._count + requests > self._concurrency:
            raise ProblemError(503, "there is too much to do, ask again later", headers=RETRY, kind="overload")
        if self.waiting >= self._most:
            raise ProblemError(503, f"{self.waiting} answers wait already", headers=RETRY, kind="overload")

    def count(self, requests: int) -> None:
        """Count requests that were checked."""
        self._count += requests

    def begin(self, now: float) -> None:
        """Begin a turn if there is none: the first request of it was complete now."""
        if not self._begun:
            self._begun = True
            self._turn = now
            self.on_begin()

    def end(self, now: float) -> None:
        """The turn is over; one in which nothing was to be done may never have begun."""
        self._busy = now - self._turn if self._begun else 0.0
        self._ended = now
        self._begun = False
        self._count = 0

    def busy(self, now: float) -> float:
        """How long requests of the last turn took, s, if it ended just now: less time ago than they took."""
        return self._busy if now - self._ended < self._busy else 0.0
