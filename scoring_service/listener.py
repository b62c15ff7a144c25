"""The socket that new connections come from.

libuv would take one connection in a turn of its loop; then a few busy connections make all new ones wait, probes of
health among them. Here a turn takes up to `AT_ONCE`, few enough to leave some to other replicas of the same socket.
After a long turn it takes more, up to as many as there may be: other replicas had the time to take them, and did not,
so all have too much to do, and whoever asks for too much is better told so than left to wait.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from time import perf_counter
from typing import Final

from scoring_service.connection import Connection
from scoring_service.events import emit
from scoring_service.hub import Hub

BACKLOG: Final = 4096
"""Connections that may wait to be taken: what systems allow by default. Others would try again after a second."""
AT_ONCE: Final = 32
PER_SECOND: Final = 10_000
"""Connections that are taken for each second of the turn before: half of it at most, at some 50 µs for each."""
PAUSE_SECONDS: Final = 0.5
"""How long nothing is taken after the system had no more files or memory."""


class Listener:
    """Makes a `Connection` of everything that connects to the socket, until it is closed."""

    def __init__(self, listening: socket.socket, hub: Hub) -> None:
        """Start to listen; wants a running loop."""
        listening.setblocking(False)
        listening.listen(BACKLOG)
        self.address: tuple[str, int] = listening.getsockname()[:2]
        self._socket = listening
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._taken: set[asyncio.Task[None]] = set()
        self._loop.add_reader(listening, self._accept_some)

    async def close(self) -> None:
        """Take no more, and wait until what was taken can be answered.

        Whoever waits at a socket of our own would be reset; at an inherited one, others take them.
        """
        self._loop.remove_reader(self._socket)
        if self._hub.settings.listen_fd is None:
            self._accept(BACKLOG)
        self._socket.close()
        await asyncio.gather(*self._taken)

    def _accept_some(self) -> None:
        hub = self._hub
        room = hub.max_connections - len(hub.connections) - len(self._taken)
        self._accept(max(AT_ONCE, min(room, round(PER_SECOND * hub.load.busy(perf_counter())))))

    def _accept(self, most: int) -> None:
        for _ in range(most):
            try:
                connected, _ = self._socket.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._pause(error)
                return
            task = self._loop.create_task(self._take(connected))
            self._taken.add(task)
            task.add_done_callback(self._taken.discard)

    async def _take(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        # Who is gone already has nothing to be told.
        with suppress(OSError):
            await self._loop.connect_accepted_socket(lambda: Connection(self._hub), connected)

    def _pause(self, error: OSError) -> None:
        emit("error", f"no connection can be taken: {error.strerror}")
        self._loop.remove_reader(self._socket)
        self._loop.call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept_some)
