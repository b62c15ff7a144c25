"""A head that was read before is not parsed again, and nobody can tell, but by the time it takes."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring_service import heads
from scoring_service.heads import Heads
from scoring_service.keys import Keys
from scoring_service.messages import Request
from scoring_service.route import GET, Admitted, Route, fixed
from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import KEY, Running, get, message, read_answer

SCORE = message({"data": [ROW]})
ADMITTED = Admitted(Route(GET, fixed({})), "")
MESSAGES = [
    SCORE,
    message({"data": [ROW, ROW]}),
    message({"data": [[5] * 10]}),
    message({"data": [ROW]}, key="wrong"),
    message({"data": [ROW]}, "Expect: 100-continue"),
    message(b'{"data":\r\n\r\n' + str(list(map(list, [ROW]))).encode() + b"}"),
    get("/metadata"),
    get("/nowhere"),
    get("/metadata", "Connection: keep-alive"),
    message({"data": [ROW]}).replace(b"HTTP/1.1", b"HTTP/1.0"),
    message({"data": [ROW]}, "Connection: close"),
    SCORE[:-1] + b"garbage",
]


ENDING = re.compile(rb"HTTP/1.0|close|Expect|garbage")
KEPT_ALIVE = [raw for raw in MESSAGES if not ENDING.search(raw)]


def known(service: Running) -> set[bytes]:
    """First lines of the heads that are kept."""
    return {head.partition(b"\r\n")[0] for head in service.hub.heads._known}


def say(service: Running, packets: list[bytes]) -> list[tuple[int, bytes]]:
    """Statuses and bodies of the answers on one connection, each request sent after the answer before."""
    answers = []
    with service.connect() as client:
        for packet in packets:
            client.sendall(packet)
            answers.append(read_answer(client))
    return [(answer.status, answer.body) for answer in answers]


def test_the_second_time_a_head_is_known(service: Running) -> None:
    with service.connect() as client:
        for count in (0, 1, 1):
            assert len(service.hub.heads._known) == count
            client.sendall(SCORE)
            assert read_answer(client).status == 200
        assert known(service) == {b"POST /score HTTP/1.1"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packets=st.lists(st.sampled_from(KEPT_ALIVE), min_size=1, max_size=6))
def test_known_heads_are_answered_as_new_ones(service: Running, packets: list[bytes]) -> None:
    service.hub.heads._known.clear()
    first = say(service, packets)
    assert say(service, packets) == first
    service.hub.heads._known.clear()
    assert [say(service, [packet])[0] for packet in packets] == first


@pytest.mark.parametrize("raw", MESSAGES)
def test_a_request_is_answered_the_same_twice(service: Running, raw: bytes) -> None:
    answers = [[(answer.status, answer.body) for answer in service.ask(raw)] for _ in range(2)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "raw",
    [
        message({"data": [ROW]}, key="wrong"),
        message({"data": [[5] * 10]}),
        message({"data": [ROW]}, "X-Request-Id: 1"),
        message({"data": [ROW]}, "Traceparent: 1"),
        message({"data": [ROW]}, "Expect: 100-continue"),
        message({"data": [ROW]}, "X: " + "y" * 1900),
        message({"data": [ROW]}, "Connection: close"),
        message({"data": [ROW]}).replace(b"HTTP/1.1", b"HTTP/1.0"),
        get("/nowhere"),
        get("/metadata", method="HEAD"),
        SCORE + SCORE,
    ],
)
def test_what_is_refused_varies_or_is_unusual_is_not_kept(
    service: Running, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "LONGEST", 1000)
    service.ask(raw)
    assert known(service) == set()


def test_a_key_that_is_withdrawn_is_refused_also_in_a_known_head(service: Running) -> None:
    with service.connect() as client:
        for _ in range(2):
            client.sendall(SCORE)
            assert read_answer(client).status == 200
        service.router.exchange(Keys({"default": b"another"}))
        client.sendall(SCORE)
        assert read_answer(client).status == 401
        service.router.exchange(Keys({"default": KEY.encode()}))
        client.sendall(SCORE)
        assert read_answer(client).status == 200


def test_what_follows_a_known_head_is_a_request_of_its_own(service: Running) -> None:
    service.ask(SCORE)
    assert [answer.status for answer in service.ask(SCORE + SCORE)] == [200, 200]
    assert [answer.status for answer in service.ask(SCORE + b"POST /score")] == [200]
    assert [answer.status for answer in service.ask(SCORE + b"\0")] == [200, 400]
    assert service.ask(SCORE[:-1]) == []


def test_known_heads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST", 3)
    found = Heads()
    raws = [get(f"/{index}") for index in range(10)]
    for index, raw in enumerate(raws):
        found.learn(raw, Request(b"GET", b"/%d" % index, {}), lambda _: ADMITTED)
        assert 0 < len(found._known) <= 3
    assert found.find(raws[-1], asyncio.Transport(), 0) is not None
    assert found.find(raws[0], asyncio.Transport(), 0) is None


def test_a_shorter_head_is_found_after_a_longer_one() -> None:
    found = Heads()
    raw = get("/version")
    found.learn(raw, Request(b"GET", b"/version", {}), lambda _: ADMITTED)
    assert found.find(raw, asyncio.Transport(), len(raw) + 100) is not None


@pytest.mark.parametrize("end", [0, 1, message(b"{}").index(b"\r\n\r\n") + 4, 5000])
@pytest.mark.parametrize("body", [b"{}", b"[\r\n\r\n]"])
def test_a_head_is_found_wherever_the_one_before_ended(end: int, body: bytes) -> None:
    found = Heads()
    raw = message(body)
    found.learn(raw, Request(b"POST", b"/score", {b"content-length": b"%d" % len(body)}), lambda _: ADMITTED)
    assert found.find(raw + b"x", asyncio.Transport(), end) is None
    assert found.find(raw[:-1], asyncio.Transport(), end) is None
    request = found.find(raw, asyncio.Transport(), end)
    if end == raw.index(b"\r\n\r\n") + 4 or body == b"{}":
        assert request is not None
        _, head, rest = request
        assert (raw[: head.end], rest) == (raw.removesuffix(body), body)
    else:
        assert request is None
