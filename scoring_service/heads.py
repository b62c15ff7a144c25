"""Heads of requests that were read before: a client that asks again says the same again, and need not be parsed.

Parsing depends on nothing but the bytes, so equal bytes of a head mean an equal request, and the same key. Heads are
forgotten when keys are exchanged, so one whose key was withdrawn is not admitted again. A head is looked up by its
keyed hash, so the time it takes tells nothing of how much of it was right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Final

import msgspec

from scoring_service.messages import Request
from scoring_service.route import Admitted

END: Final = b"\r\n\r\n"
MOST: Final = 1024
"""Heads that are kept; when there are more, all are forgotten."""
LONGEST: Final = 2048
"""Bytes of a head that is kept."""
VARYING: Final = frozenset([b"x-request-id", b"traceparent"])
"""Headers that differ from request to request."""


class Head(Admitted, frozen=True):
    """What the head of a request says, and what that comes to; `length` is that of the body."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    length: int


class Repeated(msgspec.Struct, gc=False):
    """A request with a known head, and where its answer goes. `started` is the `perf_counter` of its end."""

    transport: asyncio.Transport
    head: Head
    body: bytes
    started: float

    def request(self) -> Request:
        """The request in full."""
        head = self.head
        return Request(head.method, head.path, head.headers, self.body, self.started)


class Heads:
    """The heads that connections may share."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes, transport: asyncio.Transport) -> Repeated | None:
        """The request that is all of `data`, if its head is known."""
        end = data.rfind(END) + 4  # the last one is found faster; if it is in the body, no head is found
        head = self._known.get(data[:end])
        if head is None or len(data) - end != head.length:
            return None
        return Repeated(transport, head, data[end:], perf_counter())

    def forget(self) -> None:
        """Parse and admit all anew."""
        self._known.clear()

    def learn(self, data: bytes, request: Request, admit: Callable[[Request], Admitted]) -> None:
        """Keep the head of `data`, which was parsed to this request, if it is whole and worth it.

        Raises what `admit` raises, which says what the head comes to.
        """
        end = data.find(END) + 4
        length = int(request.headers.get(b"content-length", b"0"))
        if len(data) - end != length or end > LONGEST or not VARYING.isdisjoint(request.headers):
            return
        if len(self._known) >= MOST:
            self.forget()
        admitted = admit(request)
        self._known[data[:end]] = Head(
            admitted.route, admitted.key_id, request.method, request.path, request.headers, length
        )
