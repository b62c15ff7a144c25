from __future__ import annotations

import re
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring_service.metrics import BOUNDS, Histogram, sample
from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import Running, get, message, running

SCORE = message({"data": [ROW]})


def value(page: str, start: str) -> float:
    (found,) = [line for line in page.splitlines() if line.startswith(start)]
    return float(found.rpartition(" ")[2])


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram()
    for seconds in (5e-5, 6e-5, 0.3, 11.0):
        histogram.observe(seconds)
    lines = list(histogram.lines("h", {"a": 'x"\\\n'}))
    assert lines[0] == 'h_bucket{a="x\\"\\\\\\n",le="5e-05"} 1'
    assert [line.rpartition(" ")[2] for line in lines] == ["1", *["2"] * 11, *["3"] * 5, "4", repr(11.30011), "4"]
    assert sample("plain", {}, 1) == "plain 1"


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, *BOUNDS, *np.nextafter(BOUNDS, 20.0).tolist(), 99.0]), st.integers(0, 3))
    )
)
def test_a_latency_counts_as_often_as_it_occurred(observed: list[tuple[float, int]]) -> None:
    histogram = Histogram()
    for seconds, times in observed:
        histogram.observe(seconds, times)
    flat = [seconds for seconds, times in observed for _ in range(times)]
    *buckets, total, count = [float(line.rpartition(" ")[2]) for line in histogram.lines("h", {})]
    assert buckets == [sum(seconds <= bound for seconds in flat) for bound in (*BOUNDS, inf)]
    assert total == pytest.approx(sum(flat))
    assert count == len(flat)


def test_the_page_tells_what_happened(service: Running) -> None:
    service.ask(SCORE * 3 + message({"inputs": [ROW]}, path="/invocations"))
    service.ask(message({"data": []}) + message({"data": [ROW]}, key=None) + get("/nowhere"))
    service.ask(b"garbage\r\n\r\n")
    (answer,) = service.ask(get("/metrics"))
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    page = answer.body.decode()
    labels = 'model="diabetes",version="3"'
    assert value(page, f'scoring_latency_seconds_count{{{labels},route="score"}}') == 3
    assert value(page, f'scoring_latency_seconds_bucket{{{labels},route="score",le="+Inf"}}') == 3
    assert value(page, f'scoring_latency_seconds_count{{{labels},route="invocations"}}') == 1
    assert 0 < value(page, f'scoring_latency_seconds_sum{{{labels},route="score"}}') < 5
    for kind in ("unprocessable_content", "unauthorized", "not_found", "bad_request"):
        assert value(page, f'scoring_errors_total{{{labels},kind="{kind}"}}') == 1
    assert value(page, "scoring_log_open_segments") == 1
    assert value(page, "scoring_log_backlog_bytes") > 500
    assert value(page, "process_resident_memory_bytes") > 1e7
    assert value(page, "scoring_log_lost_total") == value(page, "scoring_queue") == 0


def test_a_refusal_of_a_head_alone_is_counted_once(service: Running) -> None:
    service.ask(b"GET /nowhere HTTP/1.0\r\n\r\n")
    service.ask(get("/nowhere", "Expect: 100-continue"))
    labels = 'model="diabetes",version="3"'
    assert value(service.page(), f'scoring_errors_total{{{labels},kind="not_found"}}') == 2


def test_every_line_is_in_the_format(service: Running) -> None:
    service.ask(SCORE)
    line = re.compile(r'# (HELP|TYPE) [a-z_]+ .+|[a-z_]+\{([a-z]+="[^"]*",?)*\} [0-9.e+-]+')
    page = service.page()
    assert page.endswith("\n")
    assert [text for text in page.splitlines() if not line.fullmatch(text)] == []


@pytest.mark.parametrize("sync", [False, True])
def test_answers_that_wait_are_measured_too(context: Path, tmp_path: Path, sync: bool) -> None:
    with running(context, tmp_path, log_sync=sync, log_dir=None if not sync else str(tmp_path)) as service:
        service.ask(SCORE)
        page = service.page()
        assert value(page, 'scoring_latency_seconds_count{model="diabetes",version="3",route="score"}') == 1
        assert ("scoring_log_open_segments" in page) == sync
