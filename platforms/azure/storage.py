"""Blobs in a container of Azure Blob Storage."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from platforms import paths
from platforms.azure.errors import address, translated
from platforms.errors import ConflictError, NotFoundError, PlatformError
from platforms.values import Blob

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

    Blobs = list[Blob]

IN_MEMORY: Final = 16 << 20
"""Bytes of a blob that is read without a file on disk."""
PARALLEL: Final = 4
"""Parts of one large blob on their way at once."""
COPY_SECONDS: Final = 600.0
"""How long a copy within the account may take."""
COPY_POLL: Final = 0.5
"""Seconds between two looks at a copy that the service makes."""


class BlobStorage:
    """The storage port on a container; a path is a blob's name."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def list(self, prefix: str) -> Blobs:
        """Every blob below `prefix`, ordered by path."""
        folder = "/".join(paths.parts(prefix)) + "/" if prefix else ""
        with translated(f"the blobs below {prefix!r} in {address(self._container.url)}"):
            found = [Blob(blob.name, blob.size, _etag(blob.etag)) for blob in self._container.list_blobs(folder)]
        return sorted(found, key=lambda blob: blob.path)

    def stat(self, path: str) -> Blob:
        """One blob; raises `NotFoundError`."""
        client = self._client(path)
        with translated(self._name(path), self._missing(path)):
            found = client.get_blob_properties()
        return Blob(path, found.size, _etag(found.etag))

    def open(self, path: str) -> BinaryIO:
        """A seekable reader of one blob, which is downloaded first; raises `NotFoundError`."""
        client = self._client(path)
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            with translated(self._name(path), self._missing(path)):
                client.download_blob(max_concurrency=PARALLEL).readinto(file)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return cast("BinaryIO", file)

    def write(self, path: str, content: bytes) -> Blob:
        """Store `content`, replacing what was there."""
        return self._store(path, content, len(content))

    def upload(self, source: Path, path: str) -> Blob:
        """Store a file of any size, replacing what was there."""
        with source.open("rb") as file:
            return self._store(path, file, source.stat().st_size)

    def move(self, blob: Blob, target: str) -> Blob:
        """Give a blob another path: it is copied by the service, then deleted, each only if it is still the same.

        A move that was already made is no error. Raises `ConflictError` if something else is at the blob's path by
        now, which stays, or `NotFoundError`.
        """
        try:
            self._copy(blob, target)
            self._remove(blob)
            return self.stat(target)
        except NotFoundError:
            if not self._client(target).exists():
                raise self._missing(blob.path) from None
            return self.stat(target)

    def _store(self, path: str, content: bytes | BinaryIO, size: int) -> Blob:
        client = self._client(path)
        with translated(self._name(path)):
            done = client.upload_blob(content, length=size, overwrite=True, max_concurrency=PARALLEL)
        return Blob(path, size, _etag(done["etag"]))

    def _copy(self, blob: Blob, target: str) -> None:
        """Copy within the service; raises `NotFoundError`, or `ConflictError` if the blob was replaced."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError

        old, new = self._client(blob.path), self._client(target)
        with translated(self._name(blob.path), self._missing(blob.path)):
            try:
                new.start_copy_from_url(
                    old.url, source_etag=f'"{blob.etag}"', source_match_condition=MatchConditions.IfNotModified
                )
            except ResourceModifiedError:
                raise ConflictError(
                    f"{self._name(blob.path)} was replaced before it was moved: what replaced it stays where it is"
                ) from None
            end = time.monotonic() + COPY_SECONDS
            while (copy := new.get_blob_properties().copy).status == "pending" and time.monotonic() < end:
                time.sleep(COPY_POLL)
        if copy.status not in ("success", None):
            why = copy.status_description or f"the copy is {copy.status} after {COPY_SECONDS:g} s"
            raise PlatformError(f"{self._name(blob.path)} was not copied to {target!r}: {why}; try again")

    def _remove(self, blob: Blob) -> None:
        """Delete a blob unless it was deleted or replaced already."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        with translated(self._name(blob.path)):
            try:
                self._client(blob.path).delete_blob(
                    etag=f'"{blob.etag}"', match_condition=MatchConditions.IfNotModified
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                return

    def _client(self, path: str) -> BlobClient:
        return self._container.get_blob_client("/".join(paths.parts(path)))

    def _name(self, path: str) -> str:
        return f"blob {path!r} in {address(self._container.url)}"

    def _missing(self, path: str) -> NotFoundError:
        return NotFoundError(f"there is no {self._name(path)}")


def _etag(text: str) -> str:
    """An etag without its quotes: listings have none."""
    return text.strip('"')
