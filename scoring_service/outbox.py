"""The answers of one connection, written in the order of their requests, whenever each is ready.

Usual answers wait for the end of the turn. Before anything else happens on a connection, the turn ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from scoring_service.hub import Hub
from scoring_service.messages import Answer, Response, render


class _Due(NamedTuple):
    """An answer in the queue; `bare` without its body, `keep` if the connection stays, `old` in HTTP/1.0."""

    answer: Answer
    bare: bool
    keep: bool
    old: bool


class Outbox:
    """Writes answers. While the replica drains, the last one is `held` back, so that it can say `close`.

    `queue` has the answers that are not written yet, because its first one is not ready.
    """

    __slots__ = ("_hub", "_on_empty", "held", "queue", "transport")
    transport: asyncio.Transport

    def __init__(self, hub: Hub, on_empty: Callable[[], None]) -> None:
        self._hub = hub
        self._on_empty = on_empty
        self.queue: deque[_Due] = deque()
        self.held: tuple[Response, bool, bool] | None = None

    def put(self, answer: Answer, bare: bool, keep: bool, old: bool) -> None:
        """Write the answer as soon as all before it are written."""
        hub = self._hub
        if type(answer) is Response and not self.queue:
            if keep and not (old or hub.draining or self.held):
                hub.turn.add(self.transport, answer, bare)
            else:
                hub.turn.end()
                self._send(answer, bare, keep, old)
            return
        self.queue.append(_Due(answer, bare, keep, old))
        if not isinstance(answer, Response):
            hub.load.waiting += 1
            answer.then(self._on_ready)

    def release(self, last: bool) -> None:
        """Write the answer that is held back; `last` tells the client to close."""
        if self.held is not None:
            response, bare, old = self.held
            self.held = None
            self._write(response, bare, not last, old)

    def _on_ready(self) -> None:
        self._hub.load.waiting -= 1
        self._hub.turn.end()
        queue = self.queue
        while queue:
            answer, bare, keep, old = queue[0]
            response = answer if isinstance(answer, Response) else answer.response
            if response is None:
                return
            queue.popleft()
            if not self.transport.is_closing():
                self._send(response, bare, keep, old)
        self._on_empty()

    def _send(self, response: Response, bare: bool, keep: bool, old: bool) -> None:
        if self.held is not None:
            self.release(last=False)
        if keep and self._hub.draining:
            self.held = response, bare, old
        else:
            self._write(response, bare, keep, old)

    def _write(self, response: Response, bare: bool, keep: bool, old: bool) -> None:
        lines = self._hub.date
        if not keep:
            lines += b"connection: close\r\n"
        elif old:
            lines += b"connection: keep-alive\r\n"
        self.transport.write(render(response, lines, bare))
