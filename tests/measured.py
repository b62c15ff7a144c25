"""What coverage looks at: all but what is not ours and takes long, which it would make take twice as long."""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from _typeshed import TraceFunction

OTHERS = ("AnyIO", "emulator")
"""How the names of those threads begin; AnyIO's run what a web server does not await."""


@contextmanager
def paused() -> Iterator[None]:
    """Keep coverage, if there is any, from this thread meanwhile."""
    measure = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(measure)


def load(*modules: str) -> None:
    """Import what is not ours before it is needed; what it warns of is not ours either."""
    with paused(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules:
            importlib.import_module(name)


@contextmanager
def but_the_emulator() -> Iterator[None]:
    """Keep coverage, if there is any, from the emulator's threads that start meanwhile."""
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
