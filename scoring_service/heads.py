"""Heads of requests that were read before: a client that asks again says the same again, and need not be parsed.

Parsing depends on nothing but the bytes, so equal bytes of a head mean an equal request, and the same key. Heads are
forgotten when keys are exchanged, so one whose key was withdrawn is not admitted again. A head is looked up by its
keyed hash, so the time it takes tells nothing of how much of it was right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

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
    """What the head of a request says, and what that comes to; `end` is where the body begins, which has `length`."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    end: int
    length: int

    def request(self, body: bytes, started: float) -> Request:
        """The whole request; `started` is the `perf_counter` of its end."""
        return Request(self.method, self.path, self.headers, body, started)


Repeated: TypeAlias = tuple[asyncio.Transport, Head, bytes]
"""A request with a known head: where its answer goes, its head and its body."""


class Heads:
    """The heads that connections may share."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes, transport: asyncio.Transport, end: int) -> Repeated | None:
        """The request that is all of `data`, if its head is known; `end` is where that of the one before ended."""
        head = self._known.get(data[:end])
        if head is None or head.end != end:
            end = data.rfind(END) + 4  # the last one is found faster; if it is in the body, no head is found
            head = self._known.get(data[:end])
        if head is None or len(data) - end != head.length:
            return None
        return transport, head, data[end:]

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
            admitted.route, admitted.key_id, request.method, request.path, request.headers, end, length
        )
