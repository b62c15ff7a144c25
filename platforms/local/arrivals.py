"""What has landed, by watching the landing folder."""

from __future__ import annotations

from collections.abc import Callable

from platforms.protocols import Storage
from platforms.values import Blob, ModelVersion


class FolderArrivals:
    """The arrivals port on a folder of the storage; it keeps nothing that it could not find again."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage, self._folder = storage, folder
        self._etags: dict[str, str] = {}
        self._done: set[tuple[str, str]] = set()

    def handle(self, act: Callable[[Blob | ModelVersion], bool]) -> None:
        """Tell of each blob whose etag two looks saw: one that still grows has to wait."""
        landed = self._storage.list(self._folder)
        settled = [blob for blob in landed if self._etags.get(blob.path) == blob.etag]
        self._etags = {blob.path: blob.etag for blob in landed}
        self._done &= set(self._etags.items())
        for blob in settled:
            if (blob.path, blob.etag) not in self._done and act(blob):
                self._done.add((blob.path, blob.etag))
