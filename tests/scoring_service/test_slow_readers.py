"""Clients that do not take their answers, or take them late."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from scoring_service.connection import Connection
from scoring_service.messages import Request
from tests.scoring_service.serving import Running, get, parse, read_all
from tests.scoring_service.turns import Wire
from tests.waiting import wait_for


def test_answers_that_a_client_does_not_read_are_not_kept_in_memory(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    answer = service.router.answer

    def count(request: Request) -> object:
        nonlocal made
        made += 1
        return answer(request)

    monkeypatch.setattr(service.router, "answer", count)

    def blocked() -> bool:
        return any(isinstance(each, Connection) and each._blocked is not None for each in service.hub.connections)

    # 16 KB that ask for 30 MB, of which the system's buffers take some 3 MB.
    asked = 400
    with service.connect() as client:
        client.sendall(get("/openapi.json") * asked)
        wait_for(blocked)
        assert made < asked / 3
        client.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in parse(read_all(client))] == [200] * asked


def test_a_client_that_takes_no_answers_is_stopped_and_ended(service: Running) -> None:
    service.tick(1000.0)
    with service.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sendall(get("/openapi.json") * 300_000)
        service.tick(1031.0)
        service.tick(1062.0)
        deadline = time.monotonic() + 5
        while service.hub.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not service.hub.connections


def test_a_client_that_reads_late_gets_every_answer(service: Running) -> None:
    with service.connect() as client:
        count = 2000
        client.sendall(get("/openapi.json") * (count - 1))
        client.sendall(get("/openapi.json", "Connection: close"))
        time.sleep(0.2)
        answers = parse(read_all(client))
    assert [answer.status for answer in answers] == [200] * count


def late(service: Running, packet: bytes, drain: bool = False, ticks: float = 0.0) -> bytes:
    """What a client gets that sends all at once while it takes no answers, and takes them `ticks` seconds later."""

    async def take() -> bytes:
        wire = Wire(service.logs)
        connection = Connection(service.hub)
        connection.connection_made(wire)
        connection.pause_writing()
        connection.data_received(packet)
        if drain:
            service.hub.start_drain(service.hub.now)
        await asyncio.sleep(0)
        connection.expire(service.hub.now + ticks)
        assert wire.received == b""
        connection.resume_writing()
        await asyncio.sleep(0)
        connection.connection_lost(None)
        return wire.received

    return asyncio.run_coroutine_threadsafe(take(), service.loop).result(5)


def test_the_last_answer_of_a_late_reader_is_sent_while_the_replica_drains(service: Running) -> None:
    answers = parse(late(service, get("/ping") * 2 + get("/version"), drain=True))
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [answer.headers.get("connection") for answer in answers] == [None, None, "close"]


@pytest.mark.parametrize(
    ("last", "refusal"),
    [
        (b"garbage\r\n\r\n", [400]),
        (get("/ping", "Connection: close") + b"garbage\r\n\r\n", [200]),
        (get("/ping", "Host: b") + get("/ping"), [400]),
        (get("/ping", "Upgrade: h2c", "Connection: upgrade") + b"PRI", [200]),
        (get("x:1", method="CONNECT") + get("/ping"), [404]),
        (get("/ping", "Host: b") + get("/ping", method="HEAD"), [400]),
    ],
)
def test_a_refusal_comes_after_the_answers_that_a_late_reader_did_not_take(
    service: Running, last: bytes, refusal: list[int]
) -> None:
    answers = parse(late(service, get("/version") * 2 + last))
    assert [answer.status for answer in answers] == [200, 200, *refusal]
    assert [answer.body for answer in answers[:2]] == [answers[0].body] * 2
    assert [answer.headers.get("connection") for answer in answers][-1] == "close"
    assert answers[-1].body


def test_a_refused_head_has_no_body_whenever_it_is_told(service: Running) -> None:
    raw = late(service, get("/version") + get("/version", "Host: b", method="HEAD") + get("/version"))
    assert raw.count(b"HTTP/1.1 ") == 2
    assert raw.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("packet", [get("/version") * 2, get("/version") + get("/version")[:10]])
def test_a_late_reader_has_the_time_of_a_body(service: Running, packet: bytes) -> None:
    """Its requests are not late, and it is not idle, while it is we who do not read."""
    service.tick(1000.0)
    settings = service.hub.settings
    waits = (settings.drain_idle_seconds, settings.header_seconds)
    assert max(waits) < settings.body_seconds
    for wait in waits:
        answers = parse(late(service, packet, drain=True, ticks=wait + 0.1))
        assert [answer.status for answer in answers][:1] == [200]
        assert 408 not in [answer.status for answer in answers]
