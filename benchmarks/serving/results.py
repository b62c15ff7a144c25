"""What was measured, one JSON document a line, so that a later run can add to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec


class Started(msgspec.Struct, frozen=True, tag="started"):
    """A peer came up: seconds from its process to its first right answer, on a core of its own."""

    peer: str
    seconds: float


class Slice(msgspec.Struct, frozen=True, tag="slice"):
    """One peer under one load for a second. Ratios are made within a `turn`, which is unique over all runs.

    `good` counts answers with the status 2xx; latencies are in ms; `cpu` is µs per request over the process tree.
    """

    peer: str
    turn: str
    question: int
    connections: int
    rows: int
    good: int
    seconds: float
    p50: float
    p99: float
    cpu: float
    failed: int

    @property
    def rate(self) -> float:
        """Good answers in a second."""
        return self.good / self.seconds


class Memory(msgspec.Struct, frozen=True, tag="memory"):
    """Resident memory of a peer's process tree after the load, in MB."""

    peer: str
    megabytes: float


class Missing(msgspec.Struct, frozen=True, tag="missing"):
    """A peer that could not be measured, and why."""

    peer: str
    reason: str


Result: TypeAlias = Started | Slice | Memory | Missing


def append(file: Path, result: Result) -> None:
    """Add a line."""
    with file.open("ab") as lines:
        lines.write(msgspec.json.encode(result) + b"\n")


def read(file: Path) -> Sequence[Result]:
    """All lines, or none if there is no file."""
    if not file.exists():
        return []
    decoder = msgspec.json.Decoder(Result)
    return decoder.decode_lines(file.read_bytes())
