"""Holding a message of a storage queue: it stays invisible to others for as long as somebody works on it."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from platforms.azure.errors import translated

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient, QueueMessage

log = logging.getLogger(__name__)


class Hold:
    """One message that was received, held from entry to exit; `seconds` is how long it stays invisible by itself."""

    def __init__(self, queue: QueueClient, message: QueueMessage, seconds: float) -> None:
        self._queue, self._message, self._seconds = queue, message, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="message-hold", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def delete(self) -> None:
        """Take the message out of the queue. One that somebody else got meanwhile is theirs to delete."""
        self._release()
        with translated(f"message {self._message.id} in queue {self._queue.queue_name}"):
            if not self._is_deleted():
                log.warning(
                    "message %s was lost to somebody else: it is handled twice, which does no harm", self._message.id
                )

    def _is_deleted(self) -> bool:
        """Whether the message could be deleted; False if it is gone, or was received by somebody else."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        try:
            self._queue.delete_message(self._message)
        except ResourceNotFoundError:
            return False
        except HttpResponseError as error:
            if getattr(error, "error_code", None) != "PopReceiptMismatch":
                raise
            return False
        return True

    def _release(self) -> None:
        self._over.set()
        self._thread.join()

    def _renew(self) -> None:
        from azure.core.exceptions import AzureError

        while not self._over.wait(self._seconds / 3):
            try:
                # Each renewal has a receipt of its own, and only the newest may delete.
                self._message = self._queue.update_message(self._message, visibility_timeout=int(self._seconds))
            except AzureError as error:
                log.warning("message %s cannot be held any longer: %s", self._message.id, error)
                return
