"""Run a coroutine that never ends beside a test, and end it with the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager


@contextmanager
def background(main: Callable[[], Coroutine[None, None, None]], seconds: float = 30.0) -> Iterator[None]:
    """Run `main()` in a thread with an event loop of its own; at the end cancel it and wait until it is over."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(seconds)
        loop.close()
