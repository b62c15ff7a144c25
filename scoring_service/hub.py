"""What the connections of one replica share."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from email.utils import formatdate
from enum import IntEnum
from typing import Final, Protocol

from scoring_service.heads import Heads
from scoring_service.load import Load
from scoring_service.messages import Answer, Request, Response
from scoring_service.problem import ProblemError
from scoring_service.route import Admitted
from scoring_service.settings import Settings
from scoring_service.turn import Answering, Turn

RESERVED: Final = 96
"""Files that a process needs besides its connections: its own, and those of connections that are too many."""


class Handler(Answering, Protocol):
    """What answers requests."""

    heads: Heads
    load: Load

    def admit(self, request: Request) -> Admitted:
        """What answers the request, by its head alone; raises `ProblemError`."""
        ...

    def answer(self, request: Request, admitted: Admitted | None = None) -> Answer:
        """The answer to a complete request, now or later; `admitted` if `admit` said so of an equal head."""
        ...

    def note(self, problem: ProblemError) -> None:
        """Count what a connection refuses by itself."""
        ...

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request whose body is not worth waiting for; None if it is."""
        ...


class Phase(IntEnum):
    """What the connection waits for: a request, its headers, its body, the client's end, its own end."""

    IDLE = 0
    HEAD = 1
    BODY = 2
    LINGER = 3
    CLOSED = 4


class Waiting(Protocol):
    """A connection, as the clock sees it."""

    def expire(self, now: float) -> None:
        """End the connection if it waited too long in its phase."""
        ...

    def restart_idle(self, now: float) -> None:
        """Give the connection its full idle time from now."""
        ...


def _open_files() -> int:
    """How many files the process may have open, after asking for as many as it can get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize


def _room(files: int) -> int:
    """How many connections there may be if so many files may be open; raises `OSError` if none."""
    if files <= RESERVED:
        raise OSError(
            f"only {files} files may be open, which leaves none for connections: allow more than {RESERVED}"
        )
    return files - RESERVED


class Hub:
    """What all connections share: handler, limits, a coarse clock (seconds), and whether the replica drains."""

    def __init__(self, handler: Handler, settings: Settings) -> None:
        self.handler = handler
        self.settings = settings
        self.connections: set[Waiting] = set()
        self.load = handler.load
        self.heads = handler.heads
        self.turn = Turn(handler, settings.max_concurrency)
        self.max_connections = min(settings.max_connections, _room(_open_files()))
        self.draining = False
        self.tick(0.0)

    def tick(self, now: float) -> None:
        """Move the clock and end what waited too long."""
        self.now = now
        self.date = self.turn.date = b"date: %s\r\n" % formatdate(usegmt=True).encode()
        for connection in tuple(self.connections):
            connection.expire(now)

    def start_drain(self, now: float) -> None:
        """From now on every connection gets one more answer at most; an idle one has some time to ask for it."""
        self.draining = True
        self.now = now
        for connection in self.connections:
            connection.restart_idle(now)
