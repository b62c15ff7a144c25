"""Asking with wrk, from a core of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.serving.peers import HERE
from benchmarks.serving.server import Server

CORE: Final = "1"
SLICE_SECONDS: Final = 1


class LoadError(Exception):
    """wrk is missing or failed."""


@dataclass(frozen=True)
class Load:
    """So many connections, each of which asks for so many rows as soon as it has its answer."""

    connections: int
    rows: int = 1


@dataclass(frozen=True)
class Told:
    """What wrk tells of a slice: latencies in ms; `refused` answers have another status than 2xx."""

    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int
    broken: int


def apply(server: Server, question: int, load: Load, home: Path, seconds: int = SLICE_SECONDS) -> Told:
    """Ask one of the peer's questions for so long; raises `LoadError`."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise LoadError("wrk is not installed: run scripts/install-test-packages")
    asked = server.peer.questions[question]
    command = ["taskset", "-c", CORE, wrk, "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(HERE / "post.lua"), f"http://127.0.0.1:{server.port}{asked.path}"]
    headers = "\n".join(("Content-Type: application/json", *asked.headers))
    environ = {**os.environ, "BODY": str(home / f"{asked.body}-{load.rows}"), "HEADERS": headers}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    if done.returncode or not done.stdout:
        raise LoadError(f"wrk failed at {server.peer.name}: {done.stderr or done.stdout}")
    return Told(**json.loads(done.stdout.splitlines()[-1]))
