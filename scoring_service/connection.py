"""One HTTP/1.1 connection: bytes in, complete requests to the handler, answers out in order.

httptools parses; what a server must add is here: limits of size and time, refusal of ambiguous messages, answers
to clients that are too early, too slow or half gone, and the last answer while draining. A refused message is
followed by a lingering close, because closing with unread input would reset the connection under the answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Final

import httptools

from scoring_service.hub import Hub, Phase
from scoring_service.incoming import BODY, HEAD, IDLE, Incoming
from scoring_service.load import RETRY
from scoring_service.messages import Answer, Request, Response
from scoring_service.outbox import Outbox
from scoring_service.problem import ProblemError

SLICE: Final = 16 * 1024
"""Bytes parsed at once, so that a client that pipelines but does not read is stopped in time."""
WAITING: Final = 64
"""Answers of one connection that may wait before no more is read from it."""
BURST: Final = 64 * 1024
"""Bytes of answers to what was sent at once after which the client has to read before it gets more."""
TOLD: Final = 32
"""Connections beyond the limit that are told so at a time; the log must not lack files because of them."""
LINGER: Final = Phase.LINGER
LINGER_SECONDS: Final = 1.0


class Connection(Incoming, asyncio.Protocol):
    """The state of one connection."""

    __slots__ = (
        "_alone",
        "_asked",
        "_blocked",
        "_burst",
        "_deferred",
        "_end",
        "_ended",
        "_outbox",
        "_refusal",
        "_transport",
        "_unread",
    )
    _transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self._alone = b""
        self._asked = -1
        self._blocked: float | None = None
        self._burst = 0
        self._deferred: deque[tuple[Request, bool, bool]] = deque()
        self._end = 0
        self._ended = False
        self._refusal: tuple[ProblemError | Response, bool] | None = None
        self._unread = b""
        self._outbox = Outbox(hub, self._on_all_written)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop for an accepted connection."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport reads and writes
        self._outbox.transport = self._transport
        hub = self._hub
        if len(hub.connections) >= hub.max_connections + TOLD:
            self._phase = Phase.CLOSED
            transport.abort()  # type: ignore[attr-defined]  # as above
            return
        hub.connections.add(self)
        if len(hub.connections) > hub.max_connections:
            detail = f"there are {hub.max_connections} connections already"
            self._refuse(ProblemError(503, detail, headers=RETRY, kind="connections"))

    def connection_lost(self, _error: Exception | None) -> None:
        """Called by the event loop when the connection is gone."""
        self._phase = Phase.CLOSED
        self._hub.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with whatever arrived."""
        # To look for a head in what is long takes long, and is in vain: only short requests are kept.
        if self._phase is IDLE and len(data) <= SLICE and not self._unread and self._answer_again(data):
            return
        if self._phase >= LINGER:
            return
        if len(data) <= SLICE and not self._unread and len(self._outbox.queue) < WAITING:
            if self._phase is IDLE and not self._hub.draining:
                self._alone = data
            self._feed(data)
            self._alone = b""
            return
        self._unread += data
        self._feed_slices()

    def eof_received(self) -> bool:
        """Called by the event loop when the client ends its side; False closes ours too."""
        self._ended = True
        self._hub.turn.end()
        return bool(self._outbox.queue)

    def pause_writing(self) -> None:
        """The client does not take its answers: read no more from it."""
        self._blocked = self._hub.now
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has taken its answers."""
        self._blocked = None
        self._since = self._hub.now
        self._transport.resume_reading()
        self._feed_slices()

    def expire(self, now: float) -> None:
        """End the connection if it waited too long in its phase."""
        settings = self._hub.settings
        waited = now - self._since
        if self._blocked is not None:
            if now - self._blocked > settings.body_seconds:
                self._transport.abort()
        elif self._outbox.queue:
            self._since = now
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

    def on_message_complete(self) -> None:
        """The request is complete: answer it."""
        if self._phase is not BODY or self._refusal is not None:
            return
        request = Request(self._parser.get_method(), self._url, self._headers, self._body, perf_counter())
        self._body = b""
        self._phase = IDLE
        self._since = self._hub.now
        upgrade = request.method == b"CONNECT" or b"upgrade" in self._headers
        keep = self._parser.should_keep_alive() and not upgrade
        if self._takes_more():
            self._reply(request, keep, self._version == "1.0")
        else:
            self._deferred.append((request, keep, self._version == "1.0"))

    def _takes_more(self) -> bool:
        """Whether the client takes its answers, as far as it was given any."""
        if self._burst > BURST:
            self._burst = 0
            self._hub.turn.end()
        return self._blocked is None

    def _reply(self, request: Request, keep: bool, old: bool) -> None:
        answer = self._hub.handler.answer(request)
        good = not isinstance(answer, Response) or answer.status == 200
        if self._alone and keep and good and self._is_usual(request):
            self._hub.heads.learn(self._alone, request, self._hub.handler.admit)
        self._burst += len(answer.body) if isinstance(answer, Response) else 0
        self._answer(answer, request.method == b"HEAD", keep, old)

    def _reply_deferred(self) -> None:
        """Answer what was read before the client had to read, as far as it takes it now."""
        while self._deferred and self._phase < Phase.LINGER and self._takes_more():
            request, keep, old = self._deferred.popleft()
            request.started = perf_counter()
            self._reply(request, keep, old)
        if self._refusal is not None and not self._deferred:
            self._end_with(*self._refusal)
        if self._outbox.held is not None:
            self._release()

    def _answer_again(self, data: bytes) -> bool:
        """Answer a whole request whose head is known; False if it is none."""
        hub = self._hub
        found = hub.heads.find(data, self._transport, self._end)
        if found is None or hub.draining or self._outbox.queue:
            return False
        self._since = hub.now
        _, head, body = found
        self._end = head.end
        if head.route.together is not None:
            self._asked = hub.turn.ask(found)
        else:
            self._answer_asked()
            answer = hub.handler.answer(head.request(body, perf_counter()), head)
            self._outbox.put(answer, bare=False, keep=True, old=False)
        return True

    def _answer_asked(self) -> None:
        """Answer what was asked in this turn, so that what comes now is answered after it."""
        if self._asked == self._hub.turn.number:
            self._hub.turn.end()

    def _feed_slices(self) -> None:
        self._reply_deferred()
        while self._unread and self._blocked is None and self._phase < Phase.LINGER:
            if len(self._outbox.queue) >= WAITING:
                self._transport.pause_reading()
                return
            data, self._unread = self._unread[:SLICE], self._unread[SLICE:]
            self._feed(data)
            self._hub.turn.end()

    def _feed(self, data: bytes) -> None:
        self._answer_asked()
        self._fresh = False
        self._burst = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if not self._deferred:
                self._finish()
        except httptools.HttpParserError as error:
            self._refuse(ProblemError(400, f"malformed HTTP: {error}"))
        if self._phase is HEAD or self._phase is BODY:
            self._count(len(data))
        if self._outbox.held is not None:
            self._release()

    def _continue(self) -> None:
        self._hub.turn.end()
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, reason: ProblemError | Response) -> None:
        bare = self._wants_no_body()
        if self._deferred:
            self._refusal = self._refusal or (reason, bare)
        else:
            self._end_with(reason, bare)

    def _end_with(self, reason: ProblemError | Response, bare: bool) -> None:
        if self._phase >= Phase.LINGER:
            return
        if isinstance(reason, ProblemError):
            self._hub.handler.note(reason)
            reason = reason.response()
        self._outbox.put(reason, bare, keep=False, old=False)
        self._finish()

    def _answer(self, answer: Answer, bare: bool, keep: bool, old: bool) -> None:
        self._outbox.put(answer, bare, keep, old)
        if not keep:
            if self._outbox.queue:
                self._enter(Phase.LINGER)
            else:
                self._close()

    def _on_all_written(self) -> None:
        """Answers that came later are written: go on where they were waited for."""
        if self._phase is Phase.CLOSED:
            return
        if self._phase is Phase.LINGER:
            self._end_output()
        elif self._outbox.held is not None:
            self._release()
        if self._ended:
            self._close()
        elif self._blocked is None:
            self._transport.resume_reading()
            self._feed_slices()

    def _release(self) -> None:
        """While draining, tell the client to close with the last answer to what it sent so far."""
        if self._outbox.queue:
            return
        last = self._phase is Phase.IDLE and not (self._unread or self._deferred)
        self._outbox.release(last)
        if last:
            self._finish()

    def _finish(self) -> None:
        """End our side now and the connection when the client has ended its own."""
        if self._phase >= Phase.LINGER:
            return
        self._enter(Phase.LINGER)
        self._unread = b""
        if not self._outbox.queue:
            self._end_output()

    def _end_output(self) -> None:
        self._hub.turn.end()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _close(self) -> None:
        self._enter(Phase.CLOSED)
        self._unread = b""
        self._hub.turn.end()
        self._transport.close()
