"""Damaged requests: whatever the bytes are, they mean one thing, however they arrive and whatever is known."""

from __future__ import annotations

import itertools
import socket

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scoring_service.serving import Running, parse, read_all
from tests.scoring_service.test_connection import BODY, chunked, post
from tests.scoring_service.test_heads import MESSAGES

SOUND = [*MESSAGES, post(b"Transfer-Encoding: chunked\r\n", chunked(BODY[:5], BODY[5:], trailer=b"X: y\r\n"))]
PIECES = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b";", b",", b"\x80", b"0\r\n\r\n", b"\r\n "),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: y\r\n", b"Connection: close\r\n"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """One or more requests with bytes changed, lost or put in."""
    raw = bytearray(b"".join(draw(st.lists(st.sampled_from(SOUND), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(raw)))
        length = draw(st.integers(0, 3))
        raw[start : start + length] = draw(st.sampled_from(PIECES) | st.binary(max_size=2))
    return bytes(raw)


def say(service: Running, raw: bytes, cuts: list[int]) -> list[int] | None:
    """The statuses of the last answers to these bytes, cut into packets; None if the connection was reset."""
    with service.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for start, end in itertools.pairwise([0, *cuts, len(raw)]):
                client.sendall(raw[start:end])
            client.shutdown(socket.SHUT_WR)
            return [answer.status for answer in parse(read_all(client)) if answer.status != 100]
        except OSError:
            return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=damaged(), places=st.lists(st.integers(0, 10_000), max_size=4))
def test_bytes_mean_the_same_however_they_arrive(service: Running, raw: bytes, places: list[int]) -> None:
    cuts = sorted({place % (len(raw) + 1) for place in places})
    known, split = say(service, raw, []), say(service, raw, cuts)
    service.hub.heads._known.clear()
    told = [statuses for statuses in (known, split, say(service, raw, [])) if statuses is not None]
    assert all(statuses == told[0] for statuses in told)
    assert all(status < 500 for statuses in told for status in statuses)
