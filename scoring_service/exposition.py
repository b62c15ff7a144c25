"""The page `/metrics`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from scoring_service.messages import Request, Response
from scoring_service.metrics import CONTENT_TYPE, Metrics, family, resident_bytes, sample
from scoring_service.settings import Settings

if TYPE_CHECKING:
    from scoring_service.load import Load
    from scoring_service.recording import Recorder


class Exposition:
    """Tells Prometheus what one replica counted."""

    def __init__(self, recipe: str, settings: Settings, metrics: Metrics, load: Load, recorder: Recorder) -> None:
        self._labels = {"model": recipe, "version": settings.model_version}
        self._metrics = metrics
        self._load = load
        self._recorder = recorder

    def answer(self, _request: Request, _key_id: str) -> Response:
        """The page."""
        lines = chain(self._requests(), self._state(), self._log())
        return Response(200, "".join(f"{line}\n" for line in lines).encode(), CONTENT_TYPE)

    def _requests(self) -> Iterator[str]:
        name = "scoring_latency_seconds"
        latencies = self._metrics.latency.items()
        samples = (histogram.lines(name, self._labels | {"route": route}) for route, histogram in latencies)
        yield from family(name, "histogram", "Time to answer a prediction.", chain.from_iterable(samples))
        name = "scoring_errors_total"
        errors = {**self._metrics.errors, **({"log": self._recorder.refused} if self._recorder.refused else {})}
        lines = (sample(name, self._labels | {"kind": kind}, count) for kind, count in sorted(errors.items()))
        yield from family(name, "counter", "Requests that were refused or failed.", lines)

    def _state(self) -> Iterator[str]:
        yield from self._gauge("scoring_queue", "Answers that wait for the disk.", self._load.waiting)
        yield from self._gauge("process_resident_memory_bytes", "Memory of the process.", resident_bytes())

    def _log(self) -> Iterator[str]:
        recorder = self._recorder
        yield from self._counter(
            "scoring_log_failures_total", "Records that could not be written.", recorder.failures
        )
        yield from self._counter("scoring_log_lost_total", "Requests answered without a record.", recorder.lost)
        if recorder.log is None:
            return
        backlog = recorder.log.backlog()
        told = "Log segments in the folder, of all its replicas."
        yield from self._gauge("scoring_log_closed_segments", told, backlog.closed)
        yield from self._gauge("scoring_log_open_segments", told, backlog.open)
        size = backlog.closed_bytes + backlog.open_bytes
        yield from self._gauge("scoring_log_backlog_bytes", "Size of what is not shipped yet.", size)

    def _gauge(self, name: str, told: str, value: float) -> Iterator[str]:
        return family(name, "gauge", told, [sample(name, self._labels, value)])

    def _counter(self, name: str, told: str, value: float) -> Iterator[str]:
        return family(name, "counter", told, [sample(name, self._labels, value)])
