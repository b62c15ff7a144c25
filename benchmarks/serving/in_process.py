"""What an answer costs in Python, without the kernel: `python -m benchmarks.serving.in_process`.

Requests of one row are given to the connections of a service in this process, one to each in every turn of its event
loop, and their answers are dropped where a socket would take them. Keys are checked and records are written, as when
it serves. CPU time, medians of slices.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from benchmarks.serving import material, ours
from benchmarks.serving.__main__ import HOME
from scoring_service.connection import Connection
from scoring_service.context import Context
from scoring_service.hub import Hub
from scoring_service.keys import Keys
from scoring_service.recording import Recorder
from scoring_service.routes import Router
from scoring_service.scoring import Scorer
from scoring_service.server import open_log
from scoring_service.settings import Settings

CONNECTIONS: Final = (1, 4, 16, 64)
SLICES: Final = 15
REQUESTS: Final = 6_400
"""Of a slice, however many connections share them."""


class Drain(asyncio.Transport):
    """Takes whatever is written."""

    answers = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not bytes(data).startswith(b"HTTP/1.1 200 "):
            raise ValueError(bytes(data))
        self.answers += 1

    def is_closing(self) -> bool:
        return False


def main() -> int:
    """Measure, print a table."""
    job = ours.train(HOME)
    material.write(HOME, job)
    ridgeline, _ = ours.servers(HOME, job, len(material.binary_head(1000)))
    folder = Path(ridgeline.folder or HOME)
    print("| connections | CPU µs an answer |")
    print("|---|---|")
    for connections in CONNECTIONS:
        with tempfile.TemporaryDirectory() as logs:
            print(f"| {connections} | {uvloop.run(_measure(folder, Path(logs), connections)):.1f} |")
    return 0


async def _measure(folder: Path, logs: Path, connections: int) -> float:
    """CPU microseconds of an answer, if so many arrive in each turn."""
    context = Context.load(folder)
    settings = Settings(keys_file="", model_version=1, image_digest="0" * 64, environment="prod", log_dir=str(logs))
    recorder = Recorder(context, settings, open_log(settings))
    try:
        return await _median(_hub(context, settings, recorder), connections)
    finally:
        recorder.close()


async def _median(hub: Hub, connections: int) -> float:
    wires = [Drain() for _ in range(connections)]
    clients = [Connection(hub) for _ in wires]
    for client, wire in zip(clients, wires, strict=True):
        client.connection_made(wire)
    request = _request((HOME / "rows-1").read_bytes())
    turns = REQUESTS // connections
    slices = []
    for _ in range(SLICES):
        before = time.process_time()
        for _ in range(turns):
            for client in clients:
                client.data_received(request)
            await asyncio.sleep(0)
        slices.append((time.process_time() - before) / (turns * connections) * 1e6)
    if sum(wire.answers for wire in wires) != SLICES * turns * connections:
        raise RuntimeError("not every request was answered in its turn")
    return median(slices)


def _hub(context: Context, settings: Settings, recorder: Recorder) -> Hub:
    router = Router(context, settings, Keys({"benchmark": ours.KEY.encode()}), Scorer(context, settings, recorder))
    return Hub(router, settings)


def _request(body: bytes) -> bytes:
    lines = ["POST /score HTTP/1.1", "Host: 127.0.0.1:5001", "Content-Type: application/json", *ours.AUTHORIZED]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


if __name__ == "__main__":
    sys.exit(main())
