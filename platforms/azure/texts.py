"""Small blobs that several writers change: each write names the state that it expects."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from platforms.azure.errors import address, translated

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

WRITE: Final = "write"
"""Metadata of each blob: which write made it."""


@dataclass(frozen=True)
class Text:
    """What a blob holds; a blob that does not exist is empty and has no etag."""

    content: bytes = b""
    etag: str | None = None
    write: str | None = None


class Texts:
    """Blobs below a folder, read and written whole."""

    def __init__(self, container: ContainerClient, folder: str) -> None:
        self._container = container
        self._folder = folder

    def url(self, name: str) -> str:
        """Where a person finds the text."""
        return address(self._container.get_blob_client(self._path(name)).url)

    def read(self, name: str) -> Text:
        """What is there now."""
        from azure.core.exceptions import ResourceNotFoundError

        with translated(f"blob {self._path(name)!r}"):
            try:
                found = self._container.get_blob_client(self._path(name)).download_blob()
                content: bytes = found.readall()
            except ResourceNotFoundError:
                return Text()
        return Text(content, found.properties.etag, found.properties.metadata.get(WRITE))

    def replace(self, name: str, seen: Text, content: bytes) -> bool:
        """Write `content` over what was seen; False, and nothing is changed, if something else is there by now.

        The client sends a request again whose answer was lost, and is then refused because of its own first write:
        so a refused write looks who made what is there.
        """
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

        mine = uuid.uuid4().hex
        if seen.etag is None:
            expected: dict[str, object] = {"overwrite": False}
        else:
            expected = {"overwrite": True, "etag": seen.etag, "match_condition": MatchConditions.IfNotModified}
        with translated(f"blob {self._path(name)!r}"):
            try:
                client = self._container.get_blob_client(self._path(name))
                client.upload_blob(content, metadata={WRITE: mine}, **expected)
            except (ResourceExistsError, ResourceModifiedError):
                return self.read(name).write == mine
        return True

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"
