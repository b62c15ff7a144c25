"""Group commit: answers wait until their records are on the disk, many of them for one `fdatasync`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from scoring_service.messages import Pending, Response
from scoring_service.request_log import RequestLog, disk_error

Waiting: TypeAlias = list[tuple[Pending, Response]]
OnError: TypeAlias = Callable[[OSError, Response], Response]


class GroupSync:
    """Syncs the log in a thread, one sync at a time; what is recorded meanwhile waits for the next.

    `flush` writes what was recorded.
    """

    def __init__(self, log: RequestLog, flush: Callable[[], None], on_error: OnError) -> None:
        self._log = log
        self._flush = flush
        self._on_error = on_error
        self._waiting: Waiting = []
        self._thread = ThreadPoolExecutor(1, "log-sync")

    def after_sync(self, response: Response) -> Pending:
        """The answer, when all that was recorded so far is on the disk; what `on_error` makes of it if not."""
        pending = Pending()
        self._waiting.append((pending, response))
        if not self._log.syncing:
            self._log.syncing = True
            asyncio.get_running_loop().call_soon(self._start)
        return pending

    def _start(self) -> None:
        self._flush()
        ready, self._waiting = self._waiting, []
        done = asyncio.get_running_loop().run_in_executor(self._thread, self._log.sync)
        done.add_done_callback(lambda result: self._finish(result, ready))

    def _finish(self, result: asyncio.Future[None], ready: Waiting) -> None:
        error = result.exception()
        failed = None if error is None else disk_error(error)
        self._log.syncing = False
        # What was recorded during the sync is in the same segment, which may be closed now.
        if lost := self._rotation_error() or failed:
            waiting, self._waiting = self._waiting, []
            self._resolve(waiting, lost)
        if self._waiting:
            self._log.syncing = True
            self._start()
        self._resolve(ready, failed)

    def _rotation_error(self) -> OSError | None:
        try:
            self._log.rotate()
        except OSError as error:
            return error
        return None

    def _resolve(self, answers: Waiting, error: OSError | None) -> None:
        for pending, response in answers:
            pending.resolve(response if error is None else self._on_error(error, response))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
