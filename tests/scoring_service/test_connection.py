from __future__ import annotations

import itertools
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import KEY, Running, get, message, parse, read_all, read_answer

SCORE = message({"data": [ROW]})
CLOSE = message({"data": [ROW]}, "Connection: close")
AUTHORIZED = f"Host: x\r\nAuthorization: Bearer {KEY}\r\n".encode()
BODY = b'{"data": [[0,0,0,0,0,0,0,0,0,0]]}'


def post(lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"POST /score HTTP/%b\r\n%b%b\r\n%b" % (version, AUTHORIZED, lines, body)


def chunked(*parts: bytes, trailer: bytes = b"") -> bytes:
    return b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"


def statuses(service: Running, raw: bytes) -> list[int]:
    return [answer.status for answer in service.ask(raw)]


def test_keep_alive_is_kept_and_close_is_closed(service: Running) -> None:
    with service.connect() as client:
        for _ in range(3):
            client.sendall(SCORE)
            assert "connection" not in read_answer(client).headers
        client.sendall(CLOSE)
        (last,) = parse(read_all(client))
    assert (last.status, last.headers["connection"]) == (200, "close")
    assert "gmt" in last.headers["date"]


def test_http_1_0(service: Running) -> None:
    body = b"Content-Length: %d\r\n" % len(BODY)
    (answer,) = service.ask(post(body, BODY, b"1.0"))
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    raw = b"POST /score HTTP/1.0\r\nConnection: keep-alive\r\n" + AUTHORIZED + body + b"\r\n" + BODY
    answers = service.ask(raw * 2)
    assert [(answer.status, answer.headers["connection"]) for answer in answers] == [(200, "keep-alive")] * 2


def test_pipelined_requests_are_answered_in_order(service: Running) -> None:
    raw = b"".join(message({"data": [ROW]}, f"X-Request-Id: {index}") for index in range(200))
    assert [answer.headers["x-request-id"] for answer in service.ask(raw)] == [str(index) for index in range(200)]


def test_what_takes_no_body_is_not_sent_one(service: Running) -> None:
    head = b"GET /ping HTTP/1.1\r\nHost: x\r\n"
    assert statuses(service, head + b"Content-Length: 8000000\r\n\r\n") == [413]
    assert statuses(service, head + b"Transfer-Encoding: chunked\r\n\r\n") == [413]
    assert statuses(service, head.replace(b"1.1", b"1.0") + b"Content-Length: 0\r\n\r\n") == [200]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 3 * len(SCORE)), max_size=6), data=st.data())
def test_split_and_glued_packets_make_no_difference(service: Running, cuts: list[int], data: st.DataObject) -> None:
    raw = SCORE + post(b"Transfer-Encoding: chunked\r\n", chunked(BODY[:5], BODY[5:])) + CLOSE
    edges = [0, *sorted(set(cuts)), len(raw)]
    with service.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in itertools.pairwise(edges):
            client.sendall(raw[start:end])
            time.sleep(0.001)
        assert [answer.status for answer in parse(read_all(client))] == [200] * 3


def test_chunked_bodies_and_ignored_trailers(service: Running) -> None:
    raw = b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    trailer = f"Authorization: Bearer {KEY}\r\n".encode()
    assert statuses(service, raw + chunked(BODY, trailer=trailer)) == [401]
    good = post(b"Transfer-Encoding: chunked\r\n", chunked(*(BODY[i : i + 1] for i in range(len(BODY)))))
    assert statuses(service, good * 2) == [200, 200]


def test_expect_continue(service: Running) -> None:
    with service.connect() as client:
        client.sendall(post(b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(BODY)))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert read_answer(client).status == 200
    refused = b"POST /score HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert statuses(service, refused) == [401]
    assert statuses(service, post(b"Expect: a miracle\r\nContent-Length: 5\r\n")) == [417]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /metadata HTTP/1.1\r\n\r\n", 400),
        (b"GET /metadata HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /metadata\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /meta data HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /metadata HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /metadata HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n", 400),
        (post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc"), 400),
        (post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"), 400),
        (post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", chunked(b"abc")), 400),
        (post(b"Content-Length: -1\r\n"), 400),
        (post(b"Content-Length: +3\r\n", b"abc"), 400),
        (post(b"Content-Length: 3a\r\n", b"abc"), 400),
        (post(b"Content-Length: 3, 3\r\n", b"abc"), 400),
        (post(b"Content-Length: 99999999999999999999999\r\n"), 400),
        (post(b"Transfer-Encoding: gzip, chunked\r\n", chunked(b"abc")), 400),
        (post(b"Transfer-Encoding: chunked, gzip\r\n", chunked(b"abc")), 400),
        (post(b"Transfer-Encoding: xchunked\r\n", chunked(b"abc")), 400),
        (post(b"Transfer-Encoding : chunked\r\n", chunked(b"abc")), 400),
        (post(b"Transfer-Encoding: chunked\r\n", chunked(b"abc"), b"1.0"), 400),
        (post(b"Transfer-Encoding: chunked\r\n", b"zz\r\n"), 400),
        (post(b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n", b"abc"), 400),
        (post(b"Content-Length: 20001\r\n"), 413),
        (post(b"Content-Length: 99999999\r\n"), 413),
        (post(b"Transfer-Encoding: chunked\r\n", chunked(*[b"x" * 5000] * 5)), 413),
        (post(b"X-Long: " + b"x" * 2000 + b"\r\n"), 431),
        (b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (post(b"".join(b"X-%d: y\r\n" % index for index in range(300))), 431),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ],
)
def test_what_must_not_be_read_on_is_refused_and_closed(service: Running, raw: bytes, status: int) -> None:
    with service.connect() as client:
        client.sendall(raw + SCORE)
        assert [answer.status for answer in parse(read_all(client))] == [status]


def test_an_upgrade_is_declined_by_answering(service: Running) -> None:
    raw = get("/health/live", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
    (answer,) = service.ask(raw + SCORE)
    assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_endless_headers_and_trailers_are_bounded(service: Running) -> None:
    with service.connect() as client:
        client.sendall(b"GET /metadata HTTP/1.1\r\nX: ")
        received = _flood(client, b"x" * 1000, 100)
    assert [answer.status for answer in parse(received)] == [431]
    with service.connect() as client:
        client.sendall(post(b"Transfer-Encoding: chunked\r\n", b"0\r\nX: "))
        received = _flood(client, b"x" * 1000, 4)
    assert [answer.status for answer in parse(received)] == [431]


def test_endless_chunk_sizes_are_bounded(service: Running) -> None:
    with service.connect() as client:
        client.sendall(post(b"Transfer-Encoding: chunked\r\n"))
        received = _flood(client, b"1;" + b"x" * 900 + b"\r\nx\r\n", 1000)
    assert [answer.status for answer in parse(received)] == [413]


def _flood(client: socket.socket, part: bytes, times: int) -> bytes:
    client.settimeout(0.01)
    for _ in range(times):
        client.sendall(part)
        try:
            return client.recv(65536)
        except TimeoutError:
            continue
    raise AssertionError("the service read it all")


def test_a_large_refused_body_still_gets_its_answer(service: Running) -> None:
    with service.connect() as client:
        client.sendall(post(b"Content-Length: 5000000\r\n"))
        client.sendall(b"x" * 5_000_000)
        client.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in parse(read_all(client))] == [413]


def test_large_bodies_without_a_key_are_not_waited_for(service: Running) -> None:
    with service.connect() as client:
        client.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 19999\r\n\r\n")
        assert read_answer(client).status == 401


def test_an_unfinished_request_of_a_half_closed_client_just_ends(service: Running) -> None:
    assert service.ask(SCORE[:-5]) == []
    assert service.ask(b"") == []


@pytest.mark.parametrize(
    ("sent", "seconds", "status"),
    [(b"", 121, None), (b"GET /met", 11, 408), (SCORE[:-5], 31, 408), (SCORE, 121, None)],
)
def test_slow_clients_are_ended(service: Running, sent: bytes, seconds: float, status: int | None) -> None:
    service.tick(1000.0)
    with service.connect() as client:
        client.sendall(sent)
        if sent == SCORE:
            read_answer(client)
        else:
            _wait_until_read(service)
        service.tick(1000.0 + seconds - 2)
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(5)
        service.tick(1000.0 + seconds)
        answers = parse(read_all(client))
        assert [answer.status for answer in answers] == ([status] if status else [])


def _wait_until_read(service: Running) -> None:
    for _ in range(100):
        if service.hub.connections:
            break
        time.sleep(0.01)
    time.sleep(0.05)


def test_draining_says_close_with_the_last_answer(service: Running) -> None:
    with service.connect() as idle, service.connect() as busy, service.connect() as silent:
        for client in (idle, busy, silent):
            client.sendall(SCORE)
            read_answer(client)
        service.hub.draining = True
        idle.sendall(SCORE)
        (answer,) = parse(read_all(idle))
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        busy.sendall(SCORE * 3)
        answers = parse(read_all(busy))
        assert [answer.headers.get("connection") for answer in answers] == [None, None, "close"]
        service.tick(service.hub.now + 2)
        assert read_all(silent) == b""


def test_draining_answers_what_has_begun(service: Running) -> None:
    with service.connect() as client:
        client.sendall(SCORE)
        read_answer(client)
        service.hub.draining = True
        client.sendall(SCORE + SCORE[:-5])
        assert "connection" not in read_answer(client).headers
        client.sendall(SCORE[-5:] + b"garbage")
        assert [answer.status for answer in parse(read_all(client))] == [200, 400]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([SCORE, CLOSE, BODY, b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b": ", b"POST /score HTTP/1.1\r\n"])
        | st.binary(max_size=30),
        max_size=8,
    )
)
def test_no_bytes_make_it_fail(service: Running, parts: list[bytes]) -> None:
    assert all(status < 500 for status in statuses(service, b"".join(parts)))
    assert statuses(service, SCORE) == [200]


def test_many_idle_connections_do_not_matter(service: Running) -> None:
    clients = [service.connect() for _ in range(1000)]
    try:
        assert statuses(service, SCORE) == [200]
        clients[-1].sendall(SCORE)
        assert read_answer(clients[-1]).status == 200
    finally:
        for client in clients:
            client.close()
