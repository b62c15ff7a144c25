"""Which model version is in production: one small blob per recipe.

Azure ML cannot change a model's tags or stage on a condition: of two writers the last one wins, and the first never
hears of it. Blob Storage takes a write only if the ETag still is the one that was read (`If-Match`), so of two
releases exactly one moves the pointer.
"""

from __future__ import annotations

import json

from platforms.azure.texts import Text, Texts
from platforms.errors import ConflictError


class Champions:
    """The pointers of all recipes, as `<recipe>.json` below the texts' folder."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def read(self, recipe: str) -> int | None:
        """The version in production, or None before the first release."""
        return _version(self._texts.read(_blob(recipe)))

    def move(self, recipe: str, version: int, expected: int | None) -> None:
        """Point at `version` if the pointer still says `expected`; one that says `version` already stays.

        Raises `ConflictError` if it says anything else, also when somebody else was faster just now.
        """
        seen = self._texts.read(_blob(recipe))
        if _version(seen) == version:
            return
        _require(recipe, _version(seen), expected)
        if not self._texts.replace(_blob(recipe), seen, json.dumps({"version": version}).encode()):
            _require(recipe, self.read(recipe), version)


def _require(recipe: str, found: int | None, expected: int | None) -> None:
    if found != expected:
        raise ConflictError(f"the champion of {recipe!r} is version {found}, not {expected}: compare with that one")


def _version(text: Text) -> int | None:
    return int(json.loads(text.content)["version"]) if text.content else None


def _blob(recipe: str) -> str:
    return f"{recipe}.json"
