"""The order of a run: start all, warm up, interleave slices in rounds, look at the memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.serving import server
from benchmarks.serving.load import Load, apply
from benchmarks.serving.peers import Peer
from benchmarks.serving.results import Memory, Missing, Result, Slice, Started
from benchmarks.serving.server import Server, ServerError
from platforms.errors import PlatformError

LOADS: Final = (Load(64), Load(16), Load(1), Load(4, 1000))
QUICK: Final = (Load(64), Load(4, 1000))


def measure(
    peers: Sequence[Peer], home: Path, loads: Sequence[Load], rounds: int, say: Callable[[str], None]
) -> Iterator[Result]:
    """Measure the peers against each other; yields results as they come."""
    with ExitStack() as stack:
        servers = []
        for peer in peers:
            try:
                started = stack.enter_context(server.running(peer, home))
                _warm_up(started, home, loads)
            except (PlatformError, ServerError) as error:
                say(f"{peer.name}: {error}")
                yield Missing(peer.name, str(error))
                continue
            say(f"{peer.name}: answers after {started.start_seconds:.2f} s")
            yield Started(peer.name, started.start_seconds)
            servers.append(started)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            yield from _round(servers, home, loads)
        yield from (Memory(each.peer.name, each.resident_mb()) for each in servers)


def _warm_up(started: Server, home: Path, loads: Sequence[Load]) -> None:
    """Check every answer that will be measured, and let caches fill."""
    for load in loads:
        for question in _questions(started.peer, load):
            server.check(started.peer, started.port, started.peer.questions[question], home, load.rows)
    apply(started, 0, Load(16), home)


def _round(servers: Sequence[Server], home: Path, loads: Sequence[Load]) -> Iterator[Slice]:
    """Every load once on every server, in an order of its own."""
    for load in loads:
        turn = f"{time.time():.0f}"
        asked = [(each, question) for each in servers for question in _questions(each.peer, load)]
        Random(turn).shuffle(asked)
        for each, question in asked:
            yield _slice(each, question, load, home, turn)


def take_shipped(home: Path) -> None:
    """Remove the closed segments of our request logs, as the shipper does when it has stored them.

    A thousand rows a request are up to 300 MB of them in a second. On a virtual machine, memory that was never used
    takes twice as long to write to, so whoever logs would be slower the longer the benchmark runs.
    """
    for segment in home.glob("logs/*/*.jsonl"):
        segment.unlink()


def _questions(peer: Peer, load: Load) -> range:
    """One row has one way to be asked for; a limit answers no thousand rows."""
    if load.rows == 1:
        return range(1)
    return range(0 if peer.kind == "limit" else len(peer.questions))


def _slice(each: Server, question: int, load: Load, home: Path, turn: str) -> Slice:
    take_shipped(home)
    before = each.cpu_seconds()
    told = apply(each, question, load, home)
    used = each.cpu_seconds() - before
    good = told.requests - told.refused
    return Slice(
        each.peer.name,
        turn,
        question,
        load.connections,
        load.rows,
        good,
        told.seconds,
        told.p50,
        told.p99,
        used / max(1, told.requests) * 1e6,
        told.refused + told.broken,
    )
