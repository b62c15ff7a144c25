"""Heads of requests that were read before: a client that asks again says the same again, and need not be parsed.

Parsing depends on nothing but the bytes, so equal bytes of a head mean an equal request; its key is checked each time
all the same. A head is looked up by its keyed hash, so the time it takes tells nothing of how much of it was right.
"""

from __future__ import annotations

from typing import Final

import msgspec

from scoring_service.messages import Request

END: Final = b"\r\n\r\n"
MOST: Final = 1024
"""Heads that are kept; when there are more, all are forgotten."""
LONGEST: Final = 2048
"""Bytes of a head that is kept."""
VARYING: Final = frozenset([b"x-request-id", b"traceparent"])
"""Headers that differ from request to request."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """What a head says; `length` is that of the body."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    length: int


class Heads:
    """The heads that connections may share."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[Head, bytes] | None:
        """The head and the body of `data`, if that is one whole request with a known head."""
        end = data.rfind(END) + 4  # the last one is found faster; if it is in the body, no head is found
        head = self._known.get(data[:end])
        if head is None or len(data) - end != head.length:
            return None
        return head, data[end:]

    def learn(self, data: bytes, request: Request) -> None:
        """Keep the head of `data`, which was parsed to this request, if it is whole and worth it."""
        end = data.find(END) + 4
        length = int(request.headers.get(b"content-length", b"0"))
        if len(data) - end != length or end > LONGEST or not VARYING.isdisjoint(request.headers):
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[data[:end]] = Head(request.method, request.path, request.headers, length)
