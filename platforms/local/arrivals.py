"""What has landed, by watching the landing folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from platforms.protocols import Storage
from platforms.values import Blob, ModelVersion

SETTLED: Final = 2.0
"""Seconds after which a blob that has not changed counts as complete."""


class FolderArrivals:
    """The arrivals port on a folder of the storage; it keeps nothing that it could not find again."""

    def __init__(self, storage: Storage, folder: str, settled: float = SETTLED) -> None:
        self._storage, self._folder, self._settled = storage, folder, settled
        self._seen: dict[tuple[str, str], float] = {}
        self._done: set[tuple[str, str]] = set()

    def handle(self, act: Callable[[Blob | ModelVersion], bool]) -> None:
        """Tell of each blob whose etag an earlier look saw long enough ago: one that still grows has to wait."""
        landed, now = {(blob.path, blob.etag): blob for blob in self._storage.list(self._folder)}, time.monotonic()
        before, self._seen = self._seen, {key: self._seen.get(key, now) for key in landed}
        self._done &= landed.keys()
        for key, blob in landed.items():
            complete = key in before and now - before[key] >= self._settled
            if complete and key not in self._done and act(blob):
                self._done.add(key)
