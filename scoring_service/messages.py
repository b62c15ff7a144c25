"""A parsed request and an answer to be written: what crosses between connection and routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, TypeAlias

import msgspec

PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""The names of RFC 9110, which Python has from 3.13 on: answers and metrics must not change with it."""
STATUS_LINES: Final = {status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in PHRASES.items()}

JSON: Final = b"application/json"
SHORT: Final = 256
LENGTHS: Final = [b"\r\ncontent-length: %d\r\n" % length for length in range(SHORT)]


class Request(msgspec.Struct, gc=False):
    """One complete request.

    `headers` holds those that the service reads, by lower-case name; `started` is the `perf_counter` of its end.
    """

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes | bytearray = b""
    started: float = 0.0


class Response(msgspec.Struct, gc=False):
    """One answer. `headers` are further header lines, each ended by CRLF."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: bytes = b""


class Pending:
    """An answer that comes later in the same event loop."""

    __slots__ = ("_callbacks", "response")

    def __init__(self) -> None:
        self.response: Response | None = None
        self._callbacks: list[Callable[[], None]] = []

    def then(self, callback: Callable[[], None]) -> None:
        """Call back when the answer is there, once it comes."""
        self._callbacks.append(callback)

    def resolve_as(self, other: Pending) -> None:
        """Take the answer that another one has got."""
        if other.response is not None:
            self.resolve(other.response)

    def resolve(self, response: Response) -> None:
        """Here it is."""
        self.response = response
        for callback in self._callbacks:
            callback()


Answer: TypeAlias = Response | Pending


def render(response: Response, lines: bytes, bare: bool) -> bytes:
    """The bytes of an answer with further header lines; `bare` leaves the body out, as HEAD asks."""
    body = response.body
    length = len(body)
    return b"".join(
        (
            STATUS_LINES[response.status],
            lines,
            b"content-type: ",
            response.content_type,
            LENGTHS[length] if length < SHORT else b"\r\ncontent-length: %d\r\n" % length,
            response.headers,
            b"\r\n",
            b"" if bare else body,
        )
    )


def render_all(bodies: Sequence[bytes], ids: Sequence[str], lines: bytes) -> list[bytes]:
    """What `render` makes of good answers in JSON, each with its request id, in half the time."""
    start = STATUS_LINES[200] + lines + b"content-type: " + JSON
    lengths = [
        LENGTHS[len(body)] if len(body) < SHORT else b"\r\ncontent-length: %d\r\n" % len(body) for body in bodies
    ]
    return [
        b"".join((start, length, b"x-request-id: ", request_id.encode(), b"\r\n\r\n", body))
        for length, request_id, body in zip(lengths, ids, bodies, strict=True)
    ]
