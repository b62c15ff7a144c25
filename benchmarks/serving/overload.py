"""What the service still answers when too much is asked: `python -m benchmarks.serving.overload`.

A thousand short rows a request, so that clients in Python can ask three times as much as the service can answer.
Good answers are those within a second.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from statistics import quantiles
from typing import Final

import uvloop

from benchmarks.serving import material, ours
from benchmarks.serving.__main__ import HOME
from benchmarks.serving.crowd import Crowd, Tally
from benchmarks.serving.load import CORE, Load, apply
from benchmarks.serving.measure import take_shipped
from benchmarks.serving.server import Server, running

ROWS: Final = 1000
BODY: Final = "short"
SHARES: Final = (0.5, 1.0, 2.0, 3.0)
"""Rates, as shares of what 16 connections get that ask one by one."""
SECONDS: Final = 5.0


def main() -> int:
    """Measure what is sustainable, then ask shares of it; prints a table."""
    job = ours.train(HOME)
    material.write(HOME, job)
    ridgeline, _ = ours.servers(HOME, job, len(material.binary_head(ROWS)))
    peer = replace(ridgeline, questions=(replace(ridgeline.questions[0], body=BODY),))
    (HOME / f"{BODY}-1").write_bytes((HOME / "rows-1").read_bytes())
    with running(peer, HOME) as server:
        (HOME / f"{BODY}-{ROWS}").write_bytes(json.dumps({"data": [[0] * 10] * ROWS}, separators=(",", ":")).encode())
        told = apply(server, 0, Load(16, ROWS), HOME, 3)
        sustainable = told.requests / told.seconds
        os.sched_setaffinity(0, {int(CORE)})
        print(f"sustainable: {sustainable:,.0f} answers/s on 16 connections, p99 {told.p99:.0f} ms\n")
        rates = [share * sustainable for share in SHARES]
        tallies = [_ask(server, rate) for rate in rates]
    print("| asked/s | good answers/s | of the peak | refused/s | given up/s | p50 / p99 ms of good ones |")
    print("|---|---|---|---|---|---|")
    peak = max(sustainable, *(len(tally.waits) / SECONDS for tally in tallies))
    for tally in tallies:
        print(_row(tally, peak))
    return 0


def _ask(server: Server, rate: float) -> Tally:
    take_shipped(HOME)
    return uvloop.run(Crowd(server.port, _message(server)).ask_for(SECONDS, rate))


def _message(server: Server) -> bytes:
    question = server.peer.questions[0]
    body = (HOME / f"{question.body}-{ROWS}").read_bytes()
    lines = [f"POST {question.path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *question.headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _row(tally: Tally, peak: float) -> str:
    counts = tally.asked, len(tally.waits), tally.refused, tally.given_up
    asked, good, refused, given_up = (count / SECONDS for count in counts)
    cuts = [1000 * cut for cut in quantiles(tally.waits, n=100)]
    shown = f"{good / peak:.0%} | {refused:,.0f} | {given_up:,.0f} | {cuts[49]:.0f} / {cuts[98]:.0f}"
    return f"| {asked:,.0f} | {good:,.0f} | {shown} |"


if __name__ == "__main__":
    sys.exit(main())
