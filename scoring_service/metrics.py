"""What is counted, and how Prometheus reads it."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Final, TypeAlias

BOUNDS: Final = (5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
Labels: TypeAlias = Mapping[str, object]


class Histogram:
    """Latencies in seconds: how many up to each bound, and their sum."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._total = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a latency, or as many equal ones."""
        self._counts[bisect_left(BOUNDS, seconds)] += times
        self._total += times * seconds

    def lines(self, name: str, labels: Labels) -> Iterator[str]:
        """The histogram as samples."""
        sums = [*accumulate(self._counts)]
        for bound, count in zip([*map(repr, BOUNDS), "+Inf"], sums, strict=True):
            yield sample(f"{name}_bucket", {**labels, "le": bound}, count)
        yield sample(f"{name}_sum", labels, self._total)
        yield sample(f"{name}_count", labels, sums[-1])


class Metrics:
    """Latency of predictions by route, and refusals by kind."""

    def __init__(self) -> None:
        self.latency: dict[str, Histogram] = {}
        self.errors: Counter[str] = Counter()

    def histogram(self, route: str) -> Histogram:
        """The histogram of a route."""
        return self.latency.setdefault(route, Histogram())


def family(name: str, kind: str, told: str, samples: Iterable[str]) -> Iterator[str]:
    """A metric with its description."""
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} {kind}"
    yield from samples


def sample(name: str, labels: Labels, value: float) -> str:
    """One line."""
    told = ",".join(f'{key}="{_escaped(str(text))}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value!r}" if told else f"{name} {value!r}"


def resident_bytes() -> int:
    """The memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
