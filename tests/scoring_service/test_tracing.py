from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from scoring_service.settings import Settings
from scoring_service.tracing import EXPORTER, Parent, Spans, TracingError, parent_of
from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import get, message, running

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SETTINGS = Settings(keys_file="-", otlp_endpoint="http://collector:4318/", model_version=4)


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (f"00-{TRACE}-{SPAN}-01", Parent(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", Parent(TRACE, SPAN, False)),
        (f"01-{TRACE}-{SPAN}-03-later", Parent(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-01-later", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        ("", None),
        ("garbage", None),
    ],
)
def test_only_a_valid_traceparent_is_taken(header: str, parent: Parent | None) -> None:
    assert parent_of(header.encode()) == parent
    assert parent_of(None) is None


def test_nothing_is_imported_unless_it_is_switched_on() -> None:
    assert Spans.create(msgspec.structs.replace(SETTINGS, otlp_endpoint=None), "diabetes") is None


def test_a_missing_exporter_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    with pytest.raises(TracingError, match=r"SCORING_OTLP_ENDPOINT is set.*opentelemetry-exporter-otlp-proto-http"):
        Spans.create(SETTINGS, "diabetes")


def test_spans_follow_the_callers_trace(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exported = memory.InMemorySpanExporter()
    endpoints = []
    module = ModuleType(EXPORTER)

    def exporter(endpoint: str) -> object:
        endpoints.append(endpoint)
        return exported

    monkeypatch.setattr(module, "OTLPSpanExporter", exporter, raising=False)
    monkeypatch.setitem(sys.modules, EXPORTER, module)
    spans = Spans.create(SETTINGS, "diabetes")
    assert spans is not None
    assert endpoints == ["http://collector:4318/v1/traces"]
    with running(context, tmp_path, access_log=True, spans=spans) as service:
        for flag in ("01", "00"):
            service.ask(message({"data": [ROW]}, f"traceparent: 00-{TRACE}-{SPAN}-{flag}"))
        service.ask(message({"data": []}))
        service.ask(get("/score"))
    spans.close()
    followed, refused, unknown = exported.get_finished_spans()
    assert (followed.name, followed.attributes["http.response.status_code"]) == ("POST /score", 200)
    assert (f"{followed.context.trace_id:032x}", f"{followed.parent.span_id:016x}") == (TRACE, SPAN)
    assert 0 < followed.end_time - followed.start_time < 5e9
    assert (refused.attributes["http.response.status_code"], refused.parent) == (422, None)
    assert (unknown.attributes["http.response.status_code"], unknown.name) == (405, "GET /score")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["status"] for line in lines] == [200, 200, 422, 405]
    assert (lines[0]["trace_id"], lines[0]["parent_id"]) == (TRACE, SPAN)
    assert "trace_id" not in lines[2]
