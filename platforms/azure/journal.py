"""The journal as one blob per recipe, which is only extended if it is what was read."""

from __future__ import annotations

from platforms import names
from platforms.azure.texts import Text, Texts
from platforms.journal import whole


class JournalBlobs:
    """Journals at `<folder>/<recipe>.jsonl`."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def read(self, recipe: str) -> bytes:
        """All that is written; empty before the first line."""
        return self._texts.read(_blob(recipe)).content

    def extend(self, recipe: str, seen: bytes, line: bytes) -> bool:
        """Append a line, unless the blob is not as it was seen."""
        now: Text = self._texts.read(_blob(recipe))
        return now.content == seen and self._texts.replace(_blob(recipe), now, whole(seen) + line + b"\n")

    def name(self, recipe: str) -> str:
        """The blob's address."""
        return self._texts.url(_blob(recipe))


def _blob(recipe: str) -> str:
    return f"{names.checked('recipe', recipe)}.jsonl"
