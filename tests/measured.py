"""Which threads coverage looks at: all but those of the offline Azure, where there is nothing of ours to see."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from _typeshed import TraceFunction

OTHERS = ("AnyIO", "emulator")
"""How the names of those threads begin; AnyIO's run what a web server does not await."""


@contextmanager
def but_the_emulator() -> Iterator[None]:
    """Keep coverage, if there is any, from the emulator's threads that start meanwhile: it doubles their time."""
    measure = threading.gettrace()
    if measure is None:
        yield
        return

    def choose(
        frame: FrameType, event: Literal["call", "line", "return", "exception", "opcode"], argument: object
    ) -> TraceFunction | None:
        if not threading.current_thread().name.startswith(OTHERS):
            return measure(frame, event, argument)
        sys.settrace(None)
        return None

    threading.settrace(choose)
    try:
        yield
    finally:
        threading.settrace(measure)
