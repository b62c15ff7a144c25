"""A parsed request and an answer to be written: what crosses between connection and routes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Request(msgspec.Struct, gc=False):
    """One complete request. `headers` holds those that the service reads, by lower-case name."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes | bytearray = b""


class Response(msgspec.Struct, gc=False):
    """One answer. `headers` are further header lines, each ended by CRLF."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: bytes = b""


def render(response: Response, lines: bytes, bare: bool) -> bytes:
    """The bytes of an answer with further header lines; `bare` leaves the body out, as HEAD asks."""
    return b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n%b\r\n%b" % (
        STATUS_LINES[response.status],
        lines,
        response.content_type,
        len(response.body),
        response.headers,
        b"" if bare else response.body,
    )
