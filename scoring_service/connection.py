"""One HTTP/1.1 connection: bytes in, complete requests to the handler, answers out in order.

httptools parses; what a server must add is here: limits of size and time, refusal of ambiguous messages, answers
to clients that are too early, too slow or half gone, and the last answer while draining. A refused message is
followed by a lingering close, because closing with unread input would reset the connection under the answer.
"""

from __future__ import annotations

import asyncio
from typing import Final

import httptools

from scoring_service.framing import UNUSUAL, check_head
from scoring_service.hub import Hub, Phase
from scoring_service.messages import Request, Response, render
from scoring_service.problem import ProblemError

KEPT: Final = frozenset(
    [b"authorization", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade", b"x-request-id"]
)
SLICE: Final = 16 * 1024
"""Bytes parsed at once, so that a client that pipelines but does not read is stopped in time."""
SHORT: Final = 4
"""Digits of a content-length that needs no look at the limits."""
LINGER_SECONDS: Final = 1.0
OVERHEAD: Final = 64 * 1024
"""Bytes of chunk sizes and trailers that a body may have besides as many as its limit."""


class Connection(asyncio.Protocol):
    """The state of one connection. Methods named `on_…` are called by the parser."""

    __slots__ = (
        "_blocked",
        "_body",
        "_fresh",
        "_head_bytes",
        "_headers",
        "_held",
        "_hub",
        "_parser",
        "_phase",
        "_since",
        "_transport",
        "_unread",
        "_url",
        "_version",
        "_wire_bytes",
    )
    _body: bytes | bytearray
    _headers: dict[bytes, bytes]
    _held: tuple[Response, bool] | None
    _head_bytes: int
    _transport: asyncio.Transport
    _url: bytes

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._parser = httptools.HttpRequestParser(self)
        self._phase = Phase.IDLE
        self._since = hub.now
        self._blocked: float | None = None
        self._held = None
        self._unread = b""
        self._begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop for an accepted connection."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport reads and writes
        self._hub.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Called by the event loop when the connection is gone."""
        self._phase = Phase.CLOSED
        self._hub.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with whatever arrived."""
        if self._phase >= Phase.LINGER:
            return
        if len(data) <= SLICE and not self._unread:
            self._feed(data)
            return
        self._unread += data
        self._feed_slices()

    def pause_writing(self) -> None:
        """The client does not take its answers: read no more from it."""
        self._blocked = self._hub.now
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has taken its answers."""
        self._blocked = None
        self._transport.resume_reading()
        self._feed_slices()

    def restart_idle(self, now: float) -> None:
        """Give the connection its full idle time from now."""
        if self._phase is Phase.IDLE:
            self._since = now

    def expire(self, now: float) -> None:
        """End the connection if it waited too long in its phase."""
        settings = self._hub.settings
        waited = now - self._since
        if self._blocked is not None and now - self._blocked > settings.body_seconds:
            self._transport.abort()
        elif self._phase is Phase.IDLE:
            if waited > (settings.drain_idle_seconds if self._hub.draining else settings.idle_seconds):
                self._close()
        elif self._phase is Phase.HEAD and waited > settings.header_seconds:
            self._refuse(ProblemError(408, f"the headers took longer than {settings.header_seconds:g} s"))
        elif self._phase is Phase.BODY and waited > settings.body_seconds:
            self._refuse(ProblemError(408, f"the body took longer than {settings.body_seconds:g} s"))
        elif self._phase is Phase.LINGER and waited > LINGER_SECONDS:
            self._close()
        elif self._phase is Phase.CLOSED and waited > settings.body_seconds:
            self._transport.abort()

    def on_message_begin(self) -> None:
        """A request line begins."""
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
            self._begin()

    def on_url(self, part: bytes) -> None:
        """A part of the request target."""
        self._url = self._url + part if self._url else part
        self._head_bytes += len(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is ignored."""
        if self._phase is not Phase.HEAD:
            return
        self._head_bytes += len(name) + len(value) + 4
        name = name.lower()
        if name in KEPT:
            before = self._headers.get(name)
            self._headers[name] = value if before is None else before + b", " + value

    def on_headers_complete(self) -> None:
        """The headers are complete: refuse now what is not worth its body."""
        if self._phase is not Phase.HEAD:
            return
        self._enter(Phase.BODY)
        self._wire_bytes = 0
        self._version = self._parser.get_http_version()
        headers = self._headers
        if (
            self._version != "1.1"
            or self._head_bytes > self._hub.settings.max_header_bytes
            or len(headers.get(b"content-length", b"")) > SHORT
            or b", " in headers.get(b"host", b", ")
            or not UNUSUAL.isdisjoint(headers)
        ):
            self._inspect()

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        if self._phase is not Phase.BODY:
            return
        if not self._body:
            self._body = part
        elif isinstance(self._body, bytearray):
            self._body += part
        else:
            self._body = bytearray(self._body + part)
        if len(self._body) > self._hub.settings.max_body_bytes:
            self._refuse_body()

    def on_message_complete(self) -> None:
        """The request is complete: answer it."""
        if self._phase is not Phase.BODY:
            return
        request = Request(self._parser.get_method(), self._url, self._headers, self._body)
        self._body = b""
        self._enter(Phase.IDLE)
        keep = self._parser.should_keep_alive() and b"upgrade" not in self._headers
        self._answer(self._hub.handler.answer(request), request.method == b"HEAD", keep)

    def _begin(self) -> None:
        self._fresh = True
        self._url = b""
        self._headers = {}
        self._body = b""
        self._version = "1.1"
        self._head_bytes = 0
        self._wire_bytes = 0

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self._hub.now

    def _feed_slices(self) -> None:
        while self._unread and self._blocked is None and self._phase < Phase.LINGER:
            data, self._unread = self._unread[:SLICE], self._unread[SLICE:]
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        self._fresh = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish()
        except httptools.HttpParserError as error:
            self._refuse(ProblemError(400, f"malformed HTTP: {error}"))
        if self._phase is Phase.HEAD or self._phase is Phase.BODY:
            self._count(len(data))
        if self._held is not None:
            self._release()

    def _count(self, size: int) -> None:
        """Bound what the parser itself keeps of a message: unfinished headers, chunk sizes, trailers."""
        if self._fresh:
            return
        settings = self._hub.settings
        self._wire_bytes += size
        if self._phase is Phase.BODY:
            if self._wire_bytes > 2 * settings.max_body_bytes + OVERHEAD:
                self._refuse_body()
        elif self._wire_bytes > settings.max_header_bytes:
            self._refuse(ProblemError(431, f"the headers are larger than {settings.max_header_bytes} bytes"))

    def _inspect(self) -> None:
        request = Request(self._parser.get_method(), self._url, self._headers)
        try:
            check_head(self._headers, self._version, self._head_bytes, self._hub.settings)
        except ProblemError as problem:
            self._refuse(problem)
            return
        refusal = self._hub.handler.refusal(request)
        if refusal is not None and (b"content-length" in self._headers or b"transfer-encoding" in self._headers):
            self._refuse(refusal)
        elif b"expect" in self._headers and self._version == "1.1":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse_body(self) -> None:
        limit = self._hub.settings.max_body_bytes
        self._refuse(ProblemError(413, f"the body is larger than {limit} bytes"))

    def _refuse(self, reason: ProblemError | Response) -> None:
        """Answer a message that is not read to its end, and close."""
        if self._phase >= Phase.LINGER:
            return
        self._flush_held()
        response = reason.response() if isinstance(reason, ProblemError) else reason
        self._write(response, self._parser_method_is_head(), keep=False)
        self._finish()

    def _parser_method_is_head(self) -> bool:
        return self._phase is Phase.BODY and self._parser.get_method() == b"HEAD"

    def _answer(self, response: Response, bare: bool, keep: bool) -> None:
        if self._hub.draining and keep:
            self._flush_held()
            self._held = response, bare
            return
        self._flush_held()
        self._write(response, bare, keep)
        if not keep:
            self._close()

    def _flush_held(self) -> None:
        if self._held is not None:
            response, bare = self._held
            self._held = None
            self._write(response, bare, keep=True)

    def _release(self) -> None:
        """While draining, tell the client to close with the last answer to what it sent so far."""
        if self._phase is not Phase.IDLE or self._unread:
            self._flush_held()
        elif self._held is not None:
            response, bare = self._held
            self._held = None
            self._write(response, bare, keep=False)
            self._finish()

    def _write(self, response: Response, bare: bool, keep: bool) -> None:
        connection = b"" if keep else b"connection: close\r\n"
        if keep and self._version == "1.0":
            connection = b"connection: keep-alive\r\n"
        self._transport.write(render(response, self._hub.date + connection, bare))

    def _finish(self) -> None:
        """End our side now and the connection when the client has ended its own."""
        if self._phase >= Phase.LINGER:
            return
        self._enter(Phase.LINGER)
        self._unread = b""
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _close(self) -> None:
        self._enter(Phase.CLOSED)
        self._unread = b""
        self._transport.close()
