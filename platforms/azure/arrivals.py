"""What has arrived, as Event Grid tells it by a storage queue.

A message that is received becomes invisible for a while. While it is worked on that is renewed, so nobody else gets
it; if the worker dies, it comes back by itself. It is deleted only when all is done. One that cannot be understood or
never gets done goes to a second queue with the reason, where a person finds it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from platforms.azure import events
from platforms.azure.errors import translated
from platforms.azure.hold import Hold
from platforms.errors import NotFoundError
from platforms.protocols import Storage
from platforms.values import Blob, ModelVersion

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient, QueueMessage

LONGEST_REASON: Final = 2000
"""Letters of a reason that are kept."""
LONGEST_CONTENT: Final = 28_000
"""Bytes of a message that are kept: escaped and with its wrapping it must fit into 64 KiB."""

log = logging.getLogger(__name__)


class QueueArrivals:
    """The arrivals port on a queue, beside which a queue of poison messages stands."""

    def __init__(
        self, queue: QueueClient, poison: QueueClient, storage: Storage, container: str, visibility: int, tries: int
    ) -> None:
        self._queue, self._poison, self._storage = queue, poison, storage
        self._container, self._visibility, self._tries = container, visibility, tries

    def handle(self, act: Callable[[Blob | ModelVersion], bool]) -> None:
        """Take one message after the other until none is visible."""
        while message := self._receive():
            with Hold(self._queue, message, self._visibility) as hold:
                if self._is_done(message, act):
                    hold.delete()

    def _receive(self) -> QueueMessage | None:
        with translated(f"queue {self._queue.queue_name}"):
            return self._queue.receive_message(visibility_timeout=self._visibility)

    def _is_done(self, message: QueueMessage, act: Callable[[Blob | ModelVersion], bool]) -> bool:
        tries = message.dequeue_count or 1
        if tries > self._tries:
            self._set_aside(
                message, f"taken {tries - 1} times and never done: whoever took it did not come to an end"
            )
            return True
        try:
            arrival = self._arrival(message)
            return arrival is None or act(arrival)
        except events.UnreadableError as error:
            self._set_aside(message, str(error))
            return True
        except Exception as error:
            if tries < self._tries:
                raise
            self._set_aside(message, f"failed {tries} times, last: {type(error).__name__}: {error}")
            return True

    def _arrival(self, message: QueueMessage) -> Blob | ModelVersion | None:
        """What the message tells, None if that is over: the blob was moved on, and its validation is known."""
        told_of = events.read(message.content)
        if isinstance(told_of, ModelVersion):
            return told_of
        if told_of.container != self._container:
            raise events.UnreadableError(f"container {told_of.container} is not {self._container}")
        try:
            return self._storage.stat(told_of.path)
        except NotFoundError:
            return None

    def _set_aside(self, message: QueueMessage, reason: str) -> None:
        kept = {
            "reason": reason[:LONGEST_REASON],
            "tries": message.dequeue_count,
            "inserted": str(message.inserted_on),
            "message": message.content.encode()[:LONGEST_CONTENT].decode(errors="ignore"),
        }
        with translated(f"queue {self._poison.queue_name}"):
            self._poison.send_message(json.dumps(kept, ensure_ascii=False), time_to_live=-1)
        log.error("message %s is set aside in queue %s: %s", message.id, self._poison.queue_name, reason)
