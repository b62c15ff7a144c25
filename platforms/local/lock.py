"""Who holds what, as one small file per lock."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from filelock import FileLock

from platforms.local import files


class FileLockTable:
    """The lock port on a folder. A lock has no process: its owner is a text, and only `swap` changes it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def owner(self, name: str) -> str | None:
        """The holder, or None."""
        try:
            return self._path(name).read_text(encoding="utf-8") or None
        except FileNotFoundError:
            return None

    def swap(self, name: str, expected: str | None, owner: str | None) -> bool:
        """Compare-and-set: hand the lock from `expected` to `owner`; False if somebody else holds it."""
        self._root.mkdir(parents=True, exist_ok=True)
        with FileLock(self._root / ".guard"):
            if self.owner(name) != expected:
                return False
            files.write(self._path(name), lambda file: file.write((owner or "").encode()))
            return True

    def _path(self, name: str) -> Path:
        return self._root / f"{quote(name, safe='')}.owner"
