"""Who holds what, as one small blob per lock that is only replaced if it is what was read."""

from __future__ import annotations

from urllib.parse import quote

from platforms.azure.texts import Text, Texts


class BlobLockTable:
    """The lock port on blobs. A lock has no process: its owner is a text, and only `swap` changes it."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def owner(self, name: str) -> str | None:
        """The holder, or None."""
        return _owner(self._texts.read(_blob(name)))

    def swap(self, name: str, expected: str | None, owner: str | None) -> bool:
        """Compare-and-set: hand the lock from `expected` to `owner`; False if somebody else holds it."""
        seen = self._texts.read(_blob(name))
        return _owner(seen) == expected and self._texts.replace(_blob(name), seen, (owner or "").encode())


def _owner(text: Text) -> str | None:
    return text.content.decode() or None


def _blob(name: str) -> str:
    return f"{quote(name, safe='')}.owner"
