"""Requests with known heads that arrive in one turn are answered together, and nobody can tell, but by the time."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scoring_service.contexts import NAMES, ROW, make_context
from tests.scoring_service.serving import Running, get, message, read_all, records, running
from tests.scoring_service.turns import in_turns, raw_in_turns, told

LENGTH = 1200
VERSION = get("/version")


def padded(body: str) -> bytes:
    """A body of `LENGTH` bytes, so that all have the same head."""
    return body.encode().ljust(LENGTH)


GOOD = [
    padded(json.dumps({"data": [ROW]})),
    padded(json.dumps({"data": [[value / 2 for value in ROW]]})),
    padded(json.dumps({"data": [ROW, ROW]})),
    padded(json.dumps({"data": [dict(zip(NAMES, ROW, strict=True))]})),
    padded(json.dumps({"data": [[0] * len(ROW)] * 35})),
]
BAD = [
    padded(json.dumps({"data": [[5] * len(ROW)]})),
    padded(json.dumps({"data": [ROW[:-1]]})),
    padded(json.dumps({"data": []})),
    padded('{"data": [['),
    padded(""),
]
SCORE = message(GOOD[0])


@pytest.fixture
def known(service: Running) -> Running:
    """A service that knows the head."""
    assert [answer.status for answer in service.ask(SCORE)] == [200]
    return service


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.sampled_from(GOOD + BAD), min_size=2, max_size=9))
def test_each_is_answered_and_logged_as_alone(known: Running, bodies: list[bytes]) -> None:
    alone = [(answer.status, answer.body) for body in bodies for answer in known.ask(message(body))]
    before = records(known.logs)
    assert told(in_turns(known, [[message(body)] for body in bodies])) == alone
    logged = records(known.logs)[len(before) :]
    good = [record for record in before[-len(logged) :] if logged]
    assert len(logged) == sum(body in GOOD for body in bodies)
    assert [record["inputs"] for record in logged] == [record["inputs"] for record in good]
    assert [record["outputs"] for record in logged] == [record["outputs"] for record in good]
    assert len({record["request_id"] for record in before + logged}) == len(before + logged)


def test_ids_and_latencies_of_answers_are_those_of_the_log(known: Running) -> None:
    before = time.perf_counter()
    answers = in_turns(known, [[message(body)] for body in GOOD])
    most = time.perf_counter() - before
    ids = [answer.headers["x-request-id"] for (answer,) in answers]
    logged = records(known.logs)[1:]
    assert [record["request_id"] for record in logged] == ids
    assert all(0 < record["latency"] < most for record in logged)
    assert {record["key_id"] for record in records(known.logs)} == {"default"}


def test_the_bytes_are_those_of_an_answer_alone(known: Running) -> None:
    def changing(raw: bytes) -> bytes:
        return re.sub(rb"(date|x-request-id): .+\r", b"", raw)

    raws = raw_in_turns(known, [[[message(body)] for body in GOOD]])
    assert b"content-length: 292" in raws[-1]
    for body, raw in zip(GOOD, raws, strict=True):
        with known.connect() as client:
            client.sendall(message(body, "X-Request-Id: 1"))
            client.shutdown(socket.SHUT_WR)
            assert changing(raw) == changing(read_all(client))


def test_latencies_and_refusals_are_counted_once(known: Running) -> None:
    in_turns(known, [[message(GOOD[0])], [message(GOOD[1])]])
    in_turns(known, [[message(GOOD[0])], [message(BAD[0])], [message(BAD[3])]])
    page = known.page()
    assert 'scoring_latency_seconds_count{model="diabetes",version="3",route="score"} 4\n' in page
    assert sum(known.router.observer.metrics.errors.values()) == 2


@pytest.mark.parametrize(
    "packets",
    [
        [SCORE, VERSION],
        [VERSION, SCORE],
        [SCORE, SCORE, VERSION, SCORE],
        [SCORE, message(GOOD[1], "X-Request-Id: 1"), SCORE],
    ],
)
def test_a_connection_is_answered_in_order(known: Running, packets: list[bytes]) -> None:
    alone = [known.ask(packet)[0].body for packet in packets]
    first, _, last = in_turns(known, [packets, [SCORE], packets])
    assert [answer.body for answer in first] == [answer.body for answer in last] == alone


def test_one_alone_is_not_tried_twice(known: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    decode = known.router.scorer._rows.decode

    def count(body: bytes) -> object:
        asked.append(body)
        return decode(body)

    monkeypatch.setattr(known.router.scorer._rows, "decode", count)
    assert [status for status, _ in told(in_turns(known, [[message(BAD[0])]]))] == [422]
    assert asked == [BAD[0]]


@pytest.fixture
def busy(context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A service that takes longer for two predictions than requests may wait, unless they are the first four."""
    with running(context, tmp_path, max_wait_seconds=0.003, max_concurrency=4) as service:
        service.ask(SCORE)
        predict = service.router.scorer._model.predict_one

        def slowly(row: tuple[float, ...]) -> float:
            time.sleep(0.002)
            return predict(row)

        monkeypatch.setattr(service.router.scorer._model, "predict_one", slowly)
        yield service


def test_too_many_are_refused_but_not_the_first(busy: Running) -> None:
    statuses = [status for status, _ in told(in_turns(busy, [[SCORE]] * 10))]
    assert statuses == [200] * 4 + [503] * 6


def test_what_was_answered_before_counts_in_the_same_turn(busy: Running) -> None:
    other = message(GOOD[0], "X-Request-Id: 1")
    statuses = [status for status, _ in told(in_turns(busy, [[other]] * 4 + [[SCORE]] * 3))]
    assert statuses == [200] * 4 + [503] * 3


def test_what_was_answered_together_does_not_count_in_the_next_turn(busy: Running) -> None:
    other = message(GOOD[0], "X-Request-Id: 1")
    assert {status for status, _ in told(in_turns(busy, [[SCORE]] * 4, [[other]] * 4, [[SCORE]] * 4))} == {200}


def test_a_fault_of_ours_in_one_turn_leaves_the_next_one_alone(
    known: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise TypeError("boom")

    with monkeypatch.context() as patched:
        patched.setattr(known.router, "answer_all", fail)
        assert in_turns(known, [[SCORE]] * 2) == [[], []]
    assert [status for status, _ in told(in_turns(known, [[SCORE]] * 2))] == [200] * 2


@pytest.mark.parametrize("setting", ["log_sync", "access_log"])
def test_answers_that_come_later_or_are_told_of_one_by_one_are_not_made_together(
    context: Path, tmp_path: Path, setting: str
) -> None:
    with running(context, tmp_path, None, **{setting: True}) as service:
        assert service.router.routes[b"/score"].together is None
        for _ in range(2):
            assert [answer.status for answer in service.ask(SCORE)] == [200]


def test_what_is_predicted_in_batches_is_not_made_together(tmp_path: Path) -> None:
    with running(make_context(tmp_path / "context", "skops"), tmp_path / "logs") as service:
        assert service.router.routes[b"/score"].together is None
