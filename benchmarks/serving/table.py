"""The results as tables: medians over all slices, ratios as medians of the ratios within a turn."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from benchmarks.serving.peers import Peer
from benchmarks.serving.results import Memory, Missing, Result, Slice, Started

OURS = "ridgeline"
ALIKE = "ridgeline-estimator"
CONNECTIONS = (1, 16, 64)
NONE = "-"


class Table:
    """Tells the results of these peers, in their order."""

    def __init__(self, peers: Sequence[Peer], results: Sequence[Result]) -> None:
        self._slices: dict[tuple[str, int, int, int], list[Slice]] = defaultdict(list)
        self._started: dict[str, list[float]] = defaultdict(list)
        self._memory: dict[str, list[float]] = defaultdict(list)
        self._missing: dict[str, str] = {}
        for result in results:
            self._add(result)
        self._peers = [peer for peer in peers if peer.name in self._started or peer.name in self._missing]

    def lines(self) -> Iterator[str]:
        """Both tables in Markdown, and what failed."""
        yield from self._single()
        yield ""
        yield from self._many()
        yield ""
        yield from self._remarks()

    def ratio(
        self, over: str, under: str, connections: int, rows: int = 1, questions: tuple[int, int] = (0, 0)
    ) -> float:
        """How many times as many answers `over` gave as `under`, where both were asked in one turn; NaN if never."""
        above = self._rates((over, connections, rows, questions[0]))
        below = self._rates((under, connections, rows, questions[1]))
        ratios = [above[turn] / below[turn] for turn in above.keys() & below.keys() if below[turn]]
        return median(ratios) if ratios else float("nan")

    def _add(self, result: Result) -> None:
        match result:
            case Slice():
                key = (result.peer, result.connections, result.rows, result.question)
                self._slices[key].append(result)
            case Started():
                self._started[result.peer].append(result.seconds)
                self._missing.pop(result.peer, None)
            case Memory():
                self._memory[result.peer].append(result.megabytes)
            case Missing():
                self._missing[result.peer] = result.reason

    def _rates(self, key: tuple[str, int, int, int]) -> Mapping[str, float]:
        return {each.turn: each.rate for each in self._slices.get(key, ())}

    def _median(self, key: tuple[str, int, int, int], value: Callable[[Slice], float]) -> float:
        found = self._slices.get(key)
        return median(map(value, found)) if found else float("nan")

    def _single(self) -> Iterator[str]:
        heads = "server", "answers/s at 1 / 16 / 64 connections", "p50 / p99 ms at 64", "CPU µs an answer", "RSS MB"
        times = "Ridgeline at 64", "at 1", "by CPU", "same `Ridge.predict` at 64", "by CPU"
        yield from _head([*heads, "first answer s", *times])
        for peer in self._peers:
            yield _row([peer.title, *self._figures(peer.name)])

    def _figures(self, name: str) -> Iterator[str]:
        if name in self._missing:
            yield from ["not measured", *[NONE] * 9]
            return
        yield " / ".join(_number(self._median((name, count, 1, 0), lambda each: each.rate)) for count in CONNECTIONS)
        key = (name, 64, 1, 0)
        yield f"{self._median(key, lambda each: each.p50):.1f} / {self._median(key, lambda each: each.p99):.1f}"
        yield _number(self._cpu(name))
        yield _number(median(self._memory[name])) if name in self._memory else NONE
        yield f"{median(self._started[name]):.2f}"
        yield _times(self.ratio(OURS, name, 64))
        yield _times(self.ratio(OURS, name, 1))
        yield _times(self._cpu(name) / self._cpu(OURS))
        yield _times(self.ratio(ALIKE, name, 64))
        yield _times(self._cpu(name) / self._cpu(ALIKE))

    def _cpu(self, name: str) -> float:
        return self._median((name, 64, 1, 0), lambda each: each.cpu)

    def _many(self) -> Iterator[str]:
        heads = "1,000 rows a request, 4 connections", "body", "answers/s", "CPU µs an answer", "p99 ms"
        yield from _head([*heads, "Ridgeline's best", "by CPU"])
        best = max(range(8), key=lambda question: self._of_many(OURS, question) or 0.0)
        for peer in self._peers:
            for number, question in enumerate(peer.questions):
                rate = self._of_many(peer.name, number)
                if rate is None:
                    continue
                key = (peer.name, 4, 1000, number)
                cpu, p99 = self._median(key, lambda each: each.cpu), self._median(key, lambda each: each.p99)
                times = self.ratio(OURS, peer.name, 4, 1000, (best, number))
                saved = cpu / self._median((OURS, 4, 1000, best), lambda each: each.cpu)
                figures = [_number(rate), _number(cpu), f"{p99:.1f}", _times(times), _times(saved)]
                yield _row([peer.title, question.body, *figures])

    def _of_many(self, name: str, question: int) -> float | None:
        key = (name, 4, 1000, question)
        return self._median(key, lambda each: each.rate) if key in self._slices else None

    def _remarks(self) -> Iterator[str]:
        for name, reason in self._missing.items():
            yield f"{name} was not measured: {reason}"
        for name in sorted({name for name, *_ in self._slices}):
            failed = sum(each.failed for key, found in self._slices.items() if key[0] == name for each in found)
            if failed:
                yield f"{name}: {failed} requests failed"


def _head(cells: Sequence[str]) -> Iterator[str]:
    yield _row(cells)
    yield "|---" * len(cells) + "|"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:,.0f}"


def _times(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.2f}x" if value < 10 else f"{value:.0f}x"
