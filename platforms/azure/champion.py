"""Which model version is in production: one small blob per recipe.

Azure ML cannot change a model's tags or stage on a condition: of two writers the last one wins, and the first never
hears of it. Blob Storage takes a write only if the ETag still is the one that was read (`If-Match`), so of two
releases exactly one moves the pointer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platforms.protocols import ConflictError

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient


@dataclass(frozen=True)
class Pointer:
    """A champion with the ETag of the blob that names it; without a blob both are None."""

    version: int | None
    etag: str | None


class Champions:
    """The pointers of all recipes, at `registry/<recipe>/champion.json` in the container."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def read(self, recipe: str) -> Pointer:
        """The pointer as it is now."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = self._blob(recipe).download_blob()
            return Pointer(json.loads(found.readall())["version"], found.properties.etag)
        except ResourceNotFoundError:
            return Pointer(None, None)

    def move(self, recipe: str, version: int, expected: int | None) -> None:
        """Point at `version` if the pointer still says `expected`, or says `version` already.

        Raises `ConflictError` if it says anything else, also when somebody else was faster just now.
        """
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

        now = self.read(recipe)
        if now.version != version:
            self._require(recipe, now, expected)
            try:
                self._write(recipe, version, now)
            except (ResourceExistsError, ResourceModifiedError):
                # Another release was faster, or an answer was lost and the SDK sent our own write again.
                self._require(recipe, self.read(recipe), version)

    def _write(self, recipe: str, version: int, now: Pointer) -> None:
        from azure.core import MatchConditions

        content = json.dumps({"version": version}).encode()
        condition: dict[str, Any] = {"overwrite": False}
        if now.etag:
            condition = {"overwrite": True, "etag": now.etag, "match_condition": MatchConditions.IfNotModified}
        self._blob(recipe).upload_blob(content, **condition)

    def _require(self, recipe: str, now: Pointer, expected: int | None) -> None:
        if now.version != expected:
            raise ConflictError(
                f"the champion of {recipe!r} is version {now.version}, not {expected}: compare with that one"
            )

    def _blob(self, recipe: str) -> BlobClient:
        return self._container.get_blob_client(f"registry/{recipe}/champion.json")
