"""The journal as one file per recipe."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock

from platforms import names
from platforms.journal import HashedJournal, whole
from platforms.local import files


class JournalFiles:
    """Journals at `<root>/<recipe>.jsonl`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, recipe: str) -> bytes:
        """All that is written; empty before the first line."""
        try:
            return self._path(recipe).read_bytes()
        except FileNotFoundError:
            return b""

    def extend(self, recipe: str, seen: bytes, line: bytes) -> bool:
        """Append after the last whole line, unless the file is not as it was seen."""
        self._root.mkdir(parents=True, exist_ok=True)
        with FileLock(self._root / ".guard"):
            if self.read(recipe) != seen:
                return False
            self._write(recipe, seen, line)
            return True

    def name(self, recipe: str) -> str:
        """The file's path."""
        return str(self._path(recipe))

    def _write(self, recipe: str, seen: bytes, line: bytes) -> None:
        kept = whole(seen)
        start = min(len(kept), len(seen))
        descriptor = os.open(self._path(recipe), os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(start)
            file.truncate()
            file.write(kept[start:] + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        files.sync_folder(self._root)

    def _path(self, recipe: str) -> Path:
        return self._root / f"{names.checked('recipe', recipe)}.jsonl"


def file_journal(root: Path) -> HashedJournal:
    """The journal port on a folder."""
    return HashedJournal(JournalFiles(root))
