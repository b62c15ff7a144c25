"""Traces: the caller's W3C `traceparent`, and spans sent by OTLP where that is switched on."""

from __future__ import annotations

import importlib
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

    from scoring_service.settings import Settings

TRACEPARENT: Final = re.compile(
    rb"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
"""Only versions after 00 may have more than its 55 characters."""
EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class TracingError(Exception):
    """Spans shall be exported, but cannot be; the message says what is missing."""


class Parent(NamedTuple):
    """The caller's span, in hexadecimal."""

    trace_id: str
    span_id: str
    sampled: bool


def parent_of(traceparent: bytes | None) -> Parent | None:
    """What a `traceparent` header says; None if it says nothing valid."""
    found = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None:
        return None
    return Parent(found[1].decode(), found[2].decode(), bool(int(found[3], 16) & 1))


class Spans:
    """One span per prediction, sent in the background; a caller that does not sample its trace gets none."""

    def __init__(self, provider: TracerProvider, tracer: Tracer) -> None:
        self._provider = provider
        self._tracer = tracer

    @classmethod
    def create(cls, settings: Settings, recipe: str) -> Self | None:
        """None unless `SCORING_OTLP_ENDPOINT` is set; raises `TracingError` if the image lacks OpenTelemetry."""
        if settings.otlp_endpoint is None:
            return None
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            exporter = importlib.import_module(EXPORTER).OTLPSpanExporter
        except ImportError as error:
            raise TracingError(
                f"SCORING_OTLP_ENDPOINT is set, but the image has no {error.name}: add opentelemetry-sdk and "
                "opentelemetry-exporter-otlp-proto-http to the model's requirements, or unset it"
            ) from None
        named = {"service.name": recipe, "service.version": str(settings.model_version)}
        provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        traces = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
        provider.add_span_processor(BatchSpanProcessor(exporter(endpoint=traces)))
        return cls(provider, provider.get_tracer("scoring_service"))

    def record(self, name: str, status: int, seconds: float, parent: Parent | None) -> None:
        """A span that took so long and ends now."""
        from opentelemetry import trace

        if parent is not None and not parent.sampled:
            return
        context = None
        if parent is not None:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            above = trace.SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, flags)
            context = trace.set_span_in_context(trace.NonRecordingSpan(above))
        end = time.time_ns()
        span = self._tracer.start_span(
            name,
            context,
            trace.SpanKind.SERVER,
            {"http.response.status_code": status},
            start_time=end - round(seconds * 1e9),
        )
        span.end(end)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()
