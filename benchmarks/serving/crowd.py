"""Many independent clients: they ask at a rate that does not care for the answers, and give up after a second."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

PATIENCE: Final = 1.0
TICK: Final = 0.002
MOST: Final = 8000
"""Connections of the clients together."""


@dataclass
class Tally:
    """What became of the requests; waits of good answers in seconds."""

    asked: int = 0
    refused: int = 0
    given_up: int = 0
    waits: list[float] = field(default_factory=list)


class Client(asyncio.Protocol):
    """A connection that asks one request at a time."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._answer = b""
        self.asked = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's
        self.ask()

    def ask(self) -> None:
        """Send the request, as soon as there is a connection."""
        self._answer = b""
        if self.transport is not None:
            self.transport.write(self._crowd.message)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if end and len(body) >= int(length):
            self._crowd.answered(self, head.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, _error: Exception | None) -> None:
        self._crowd.lost(self)


class Crowd:
    """Clients that ask `message` at a rate; a request takes a free connection, or a new one."""

    def __init__(self, port: int, message: bytes) -> None:
        self.message = message
        self.tally = Tally()
        self._port = port
        self._free: dict[Client, None] = {}
        self._busy: dict[Client, None] = {}
        self._opening: set[asyncio.Task[object]] = set()

    async def ask_for(self, seconds: float, rate: float) -> Tally:
        """Ask so many requests a second, for so long; returns what became of them."""
        start = time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            for _ in range(round((now - start) * rate) - self.tally.asked):
                self._ask(now)
            self._give_up(now)
            await asyncio.sleep(TICK)
        while self._busy:
            await asyncio.sleep(TICK)
            self._give_up(time.perf_counter())
        for client in list(self._free):
            _cut(client)
        await asyncio.gather(*self._opening, return_exceptions=True)
        return self.tally

    def answered(self, client: Client, good: bool) -> None:
        """A client has its answer, unless it gave up before."""
        if client not in self._busy:
            return
        del self._busy[client]
        self._free[client] = None
        if good:
            self.tally.waits.append(time.perf_counter() - client.asked)
        else:
            self.tally.refused += 1

    def lost(self, client: Client) -> None:
        """A client has no connection any more."""
        self._free.pop(client, None)
        if client in self._busy:
            del self._busy[client]
            self.tally.given_up += 1

    def _ask(self, now: float) -> None:
        self.tally.asked += 1
        if not self._free and len(self._busy) >= MOST:
            self.tally.given_up += 1
            return
        client = self._free.popitem()[0] if self._free else Client(self)
        client.asked = now
        self._busy[client] = None
        if client.transport is not None:
            client.ask()
            return
        opening = asyncio.create_task(self._open(client))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _open(self, client: Client) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self._port)
        except OSError:
            self.lost(client)

    def _give_up(self, now: float) -> None:
        for client in list(self._busy):
            if now - client.asked < PATIENCE:
                return
            self.lost(client)
            _cut(client)


def _cut(client: Client) -> None:
    if client.transport is not None:
        client.transport.abort()
