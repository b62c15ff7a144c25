"""The request that a connection is reading, as the parser tells it part by part, bounded while it arrives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import httptools

from scoring_service.framing import UNUSUAL, check_head
from scoring_service.hub import Hub, Phase
from scoring_service.messages import Request, Response
from scoring_service.problem import ProblemError

KEPT: Final = frozenset(
    [
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"inference-header-content-length",
        b"traceparent",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    ]
)
SHORT: Final = 4
"""Digits of a content-length that needs no look at the limits."""
IDLE, HEAD, BODY = Phase.IDLE, Phase.HEAD, Phase.BODY
OVERHEAD: Final = 64 * 1024
"""Bytes of chunk sizes and trailers that a body may have besides as many as its limit."""


class Incoming(ABC):
    """One request in the making. Methods named `on_…` are called by the parser."""

    __slots__ = (
        "_body",
        "_fresh",
        "_grown",
        "_head_bytes",
        "_headers",
        "_hub",
        "_kept_bytes",
        "_parser",
        "_phase",
        "_since",
        "_url",
        "_version",
        "_wire_bytes",
    )
    _body: bytes | bytearray
    _grown: int
    _headers: dict[bytes, bytes]
    _head_bytes: int
    _url: bytes

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._parser = httptools.HttpRequestParser(self)
        self._phase = Phase.IDLE
        self._since = hub.now
        self._begin()

    def restart_idle(self, now: float) -> None:
        """Give the connection its full idle time from now."""
        if self._phase is IDLE:
            self._since = now

    def on_message_begin(self) -> None:
        """A request line begins."""
        if self._phase is IDLE:
            self._phase = HEAD
            self._since = self._hub.now
            self._begin()

    def on_url(self, part: bytes) -> None:
        """A part of the request target."""
        self._url = self._url + part if self._url else part
        self._head_bytes += len(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is ignored."""
        if self._phase is not HEAD:
            return
        self._head_bytes += len(name) + len(value) + 4
        name = name.lower()
        if name in KEPT:
            before = self._headers.get(name)
            self._headers[name] = value if before is None else before + b", " + value

    def on_headers_complete(self) -> None:
        """The headers are complete: refuse now what is not worth its body."""
        if self._phase is not HEAD:
            return
        self._phase = BODY
        self._since = self._hub.now
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
        if self._phase is not BODY:
            return
        if not self._body:
            self._body = part
        elif isinstance(self._body, bytearray):
            self._body += part
        else:
            self._body = bytearray(self._body + part)
        if len(self._body) > self._hub.settings.max_body_bytes:
            self._refuse_body()

    def _begin(self) -> None:
        self._fresh = True
        self._url = b""
        self._headers = {}
        self._body = b""
        self._version = "1.1"
        self._head_bytes = 0
        self._wire_bytes = 0

    def _wants_no_body(self) -> bool:
        return self._phase is BODY and self._parser.get_method() == b"HEAD"

    def _is_usual(self, request: Request) -> bool:
        """Whether nothing about a request is special, so that the same head may be taken without parsing."""
        return self._version == "1.1" and request.method != b"HEAD" and UNUSUAL.isdisjoint(request.headers)

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self._hub.now

    def _count(self, size: int) -> None:
        """Bound what the parser itself keeps of a message: unfinished headers, chunk sizes, trailers."""
        if self._fresh or self._phase is HEAD or len(self._body) > self._grown:
            self._grown, self._kept_bytes = len(self._body), 0
        else:
            self._kept_bytes += size
        if self._fresh:
            return
        settings = self._hub.settings
        self._wire_bytes += size
        if self._phase is Phase.BODY:
            if self._kept_bytes > settings.max_header_bytes:
                self._refuse(ProblemError(431, f"the trailers are larger than {settings.max_header_bytes} bytes"))
            elif self._wire_bytes > 2 * settings.max_body_bytes + OVERHEAD:
                self._refuse_body()
        elif self._wire_bytes > settings.max_header_bytes:
            self._refuse(ProblemError(431, f"the headers are larger than {settings.max_header_bytes} bytes"))

    def _refuse_body(self) -> None:
        limit = self._hub.settings.max_body_bytes
        self._refuse(ProblemError(413, f"the body is larger than {limit} bytes"))

    def _inspect(self) -> None:
        """Look closer at an unusual head."""
        request = Request(self._parser.get_method(), self._url, self._headers)
        try:
            check_head(self._headers, self._version, self._head_bytes, self._hub.settings)
        except ProblemError as problem:
            self._refuse(problem)
            return
        length = self._headers.get(b"content-length", b"0")
        bodied = length.strip(b"0") or b"transfer-encoding" in self._headers
        refusal = self._hub.handler.refusal(request) if bodied else None
        if refusal is not None:
            self._refuse(refusal)
        elif b"expect" in self._headers and self._version == "1.1":
            self._continue()

    @abstractmethod
    def _continue(self) -> None:
        """Tell the client that its body is waited for."""

    @abstractmethod
    def _refuse(self, reason: ProblemError | Response) -> None:
        """Answer a message that is not read to its end, and close."""
