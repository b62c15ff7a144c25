"""What is observed of predictions: latency and refusals for the metrics, lines and spans where they are wanted."""

from __future__ import annotations

import traceback
from time import perf_counter

from scoring_service.events import emit
from scoring_service.messages import Answer, Pending, Request, Response
from scoring_service.metrics import Histogram, Metrics
from scoring_service.problem import ProblemError
from scoring_service.settings import Settings
from scoring_service.tracing import Spans, parent_of


class Observer:
    """Watches what is answered."""

    def __init__(self, settings: Settings, spans: Spans | None) -> None:
        self.metrics = Metrics()
        self.detailed = settings.access_log or spans is not None
        self._lines = settings.access_log
        self._spans = spans
        self._answered: list[tuple[Request, Response, Histogram]] = []

    def answered(self, request: Request, answer: Answer, latency: Histogram) -> None:
        """Observe an answer as soon as it is sure what it says: when it is there, or at the end of its turn."""
        if isinstance(answer, Pending):
            answer.then(lambda: self._written(request, answer.response, latency, perf_counter()))
        else:
            self._answered.append((request, answer, latency))

    def end_turn(self) -> None:
        """Observe the answers of the turn, now that their records are written: one without may be a refusal."""
        if self._answered:
            answered, self._answered = self._answered, []
            now = perf_counter()
            for request, response, latency in answered:
                self._written(request, response, latency, now)

    def refused(self, request: Request, problem: ProblemError) -> None:
        """Observe a refusal."""
        self.metrics.errors[problem.kind] += 1
        if self.detailed:
            self._tell(request, problem.status, perf_counter() - request.started)

    def failed(self, request: Request) -> None:
        """Observe a fault of ours: the exception that is being handled."""
        parent = parent_of(request.headers.get(b"traceparent"))
        emit(
            "error",
            "the service failed",
            path=request.path.decode("latin-1"),
            trace_id=parent.trace_id if parent else None,
            exception=traceback.format_exc(),
        )

    def _written(self, request: Request, response: Response | None, latency: Histogram, now: float) -> None:
        seconds = now - request.started
        if response is not None and response.status == 200:
            latency.observe(seconds)
        if self.detailed and response is not None:
            self._tell(request, response.status, seconds)

    def _tell(self, request: Request, status: int, seconds: float) -> None:
        parent = parent_of(request.headers.get(b"traceparent"))
        path = request.path.partition(b"?")[0].decode("latin-1")
        if self._spans is not None:
            self._spans.record(f"{request.method.decode()} {path}", status, seconds, parent)
        if self._lines:
            trace = {"trace_id": parent.trace_id, "parent_id": parent.span_id} if parent else {}
            emit("info", "answered", path=path, status=status, latency=seconds, **trace)
