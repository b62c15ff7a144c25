"""Secrets as files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from platforms import names
from platforms.errors import NotFoundError
from platforms.local import files


class FileSecrets:
    """The secrets port on a folder: a secret is exactly the file `<root>/<name>`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, name: str) -> str:
        """The value; raises `NotFoundError`."""
        try:
            return self._path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise NotFoundError(f"there is no secret {name!r} in {self._root}") from None

    def create(self, name: str, value: str) -> str:
        """Store `value` unless the secret exists; returns the value that is stored now, the same to all racers."""
        path = self._path(name)
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root.chmod(0o700)
        whole = files.temporary_beside(path)
        files.write(whole, lambda file: file.write(value.encode()), mode=0o600)
        try:
            # A hard link gives the whole file its name, or fails if the name is taken: no reader sees a part.
            os.link(whole, path)
        except FileExistsError:
            return self.get(name)
        finally:
            whole.unlink()
        files.sync_folder(self._root)
        return value

    def _path(self, name: str) -> Path:
        return self._root / names.checked("secret", name)
