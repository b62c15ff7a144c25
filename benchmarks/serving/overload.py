"""What the service still answers when too much is asked: `python -m benchmarks.serving.overload`.

Requests arrive at a rate that does not care for the answers, as from many independent clients: each takes a free
connection, or a new one, and gives up after a second. The server is ours with the estimator itself, so that a client
in Python can ask three times as much as it can answer. Good answers are those within the second.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Final

import uvloop

from benchmarks.serving import material, ours
from benchmarks.serving.__main__ import HOME
from benchmarks.serving.load import CORE, Load, apply
from benchmarks.serving.server import Server, running

SHARES: Final = (0.5, 1.0, 2.0, 3.0)
"""Rates, as shares of what 64 connections get that ask one by one."""
SECONDS: Final = 5.0
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
        self.asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.transport.write(self._crowd.message)  # type: ignore[attr-defined]  # a stream's transport

    def data_received(self, data: bytes) -> None:
        # Answers are small enough to arrive whole.
        self._crowd.answered(self, data.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, _error: Exception | None) -> None:
        self._crowd.lost(self)


class Crowd:
    """Clients that ask `message` at a rate."""

    def __init__(self, port: int, message: bytes) -> None:
        self.message = message
        self.tally = Tally()
        self._port = port
        self._free: list[Client] = []
        self._busy: dict[Client, None] = {}

    async def ask_for(self, seconds: float, rate: float) -> Tally:
        """Ask so many requests a second, for so long; returns what became of them."""
        self.tally = Tally()
        start = time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            for _ in range(round((now - start) * rate) - self.tally.asked):
                self._ask(now)
            self._give_up(now)
            await asyncio.sleep(TICK)
        await asyncio.sleep(PATIENCE)
        self._give_up(time.perf_counter())
        return self.tally

    def answered(self, client: Client, good: bool) -> None:
        self._busy.pop(client, None)
        self._free.append(client)
        if good:
            self.tally.waits.append(time.perf_counter() - client.asked)
        else:
            self.tally.refused += 1

    def lost(self, client: Client) -> None:
        if client in self._busy:
            del self._busy[client]
            self.tally.given_up += 1
        elif client in self._free:
            self._free.remove(client)

    def _ask(self, now: float) -> None:
        self.tally.asked += 1
        if not self._free and len(self._busy) >= MOST:
            self.tally.given_up += 1
            return
        client = self._free.pop() if self._free else Client(self)
        client.asked = now
        self._busy[client] = None
        if hasattr(client, "transport"):
            client.ask()
        else:
            task = asyncio.ensure_future(
                asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self._port)
            )
            task.add_done_callback(lambda done: self.lost(client) if done.exception() else None)

    def _give_up(self, now: float) -> None:
        for client in list(self._busy):
            if now - client.asked < PATIENCE:
                return
            if hasattr(client, "transport"):
                client.transport.abort()  # type: ignore[attr-defined]  # a stream's transport
            self.lost(client)


def main() -> int:
    """Measure what is sustainable, then ask shares of it; prints a table."""
    job = ours.train(HOME)
    material.write(HOME, job)
    _, peer = ours.servers(HOME, job, len(material.binary_head(1000)))
    with running(peer, HOME) as server:
        apply(server, 0, Load(16), HOME)
        told = apply(server, 0, Load(64), HOME, 3)
        peak = told.requests / told.seconds
        os.sched_setaffinity(0, {int(CORE)})
        print(f"sustainable: {peak:,.0f} answers/s on 64 connections, p99 {told.p99:.0f} ms\n")
        print("| asked/s | good answers/s | of the peak | refused/s | given up/s | p50 / p99 ms of good ones |")
        print("|---|---|---|---|---|---|")
        for share in SHARES:
            print(uvloop.run(_row(server, peak, share)), flush=True)
    return 0


async def _row(server: Server, peak: float, share: float) -> str:
    question = server.peer.questions[0]
    body = (HOME / f"{question.body}-1").read_bytes()
    lines = ["POST /score HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *question.headers]
    message = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    tally = await Crowd(server.port, message).ask_for(SECONDS, share * peak)
    rates = [count / SECONDS for count in (tally.asked, len(tally.waits), tally.refused, tally.given_up)]
    asked, good, refused, given_up = rates
    cuts = quantiles(tally.waits, n=100) if len(tally.waits) > 1 else [float("nan")] * 99
    waits = f"{cuts[49] * 1e3:.0f} / {cuts[98] * 1e3:.0f}"
    return f"| {asked:,.0f} | {good:,.0f} | {good / peak:.0%} | {refused:,.0f} | {given_up:,.0f} | {waits} |"


if __name__ == "__main__":
    sys.exit(main())
