"""Answers that come later: in order, and whatever the client does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from scoring_service.messages import Pending, Request, Response
from scoring_service.route import Route
from tests.scoring_service.serving import Running, get, parse, read_all, read_answer

LATER, NOW, NEVER = get("/later"), get("/health/live"), get("/never")
CLOSE = get("/later", "Connection: close")


@pytest.fixture
def later(service: Running) -> Running:
    """A service with the routes `/later`, answered in a moment, and `/never`, answered when `/later` is."""
    waiting: list[Pending] = []

    def never(_request: Request, _key_id: str) -> Pending:
        waiting.append(Pending())
        return waiting[-1]

    def soon(_request: Request, _key_id: str) -> Pending:
        pending = Pending()
        service.loop.call_later(0.02, _resolve, pending, waiting)
        return pending

    service.router.routes[b"/later"] = Route(b"GET", soon)
    service.router.routes[b"/never"] = Route(b"GET", never)
    return service


def _resolve(pending: Pending, waiting: list[Pending]) -> None:
    for each in (pending, *waiting):
        each.resolve(Response(200, b"later"))
    waiting.clear()


def bodies(service: Running, raw: bytes) -> list[bytes]:
    return [answer.body for answer in service.ask(raw)]


def test_the_order_of_the_requests_is_kept_also_for_a_half_closed_client(later: Running) -> None:
    live = b'{"status":"live"}'
    assert bodies(later, NOW + LATER + NOW + LATER + NOW) == [live, b"later", live, b"later", live]
    assert bodies(later, NEVER + LATER) == [b"later"] * 2
    assert later.hub.load.waiting == 0


def test_what_pipelines_too_much_is_read_later(later: Running) -> None:
    assert bodies(later, LATER * 3000) == [b"later"] * 3000


@pytest.mark.parametrize("ending", [CLOSE, LATER + b"garbage\r\n\r\n"])
def test_the_last_answer_closes(later: Running, ending: bytes) -> None:
    with later.connect() as client:
        client.sendall(LATER + ending + NOW)
        answers = parse(read_all(client))
    assert [answer.status for answer in answers] == [200, 200, *([400] if ending != CLOSE else [])]
    assert [answer.headers.get("connection") for answer in answers[:-1]] == [None] * (len(answers) - 1)
    assert answers[-1].headers["connection"] == "close"


def test_no_time_runs_out_for_a_client_that_waits_for_us(later: Running) -> None:
    with later.connect() as client:
        client.sendall(NEVER)
        await_true(lambda: later.hub.load.waiting == 1)
        later.tick(later.hub.now + 1000)
        later.ask(LATER)
        assert read_answer(client).body == b"later"


def test_an_answer_to_a_client_that_left_is_dropped(later: Running) -> None:
    with later.connect() as client:
        client.sendall(NEVER)
        await_true(lambda: later.hub.load.waiting == 1)
        client.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
    await_true(lambda: not later.hub.connections)
    assert bodies(later, LATER) == [b"later"]
    assert later.hub.load.waiting == 0


def test_draining_waits_for_answers_and_says_close_with_the_last(later: Running) -> None:
    with later.connect() as client:
        client.sendall(NOW)
        read_answer(client)
        later.hub.draining = True
        client.sendall(LATER * 2)
        answers = parse(read_all(client))
    assert [answer.headers.get("connection") for answer in answers] == [None, "close"]


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
