"""Folders of files between the storage container and this machine, where each is kept once it was read."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from platforms import jobs
from platforms.errors import NotFoundError
from platforms.protocols import Storage

AT_ONCE: Final = 8
SHORT: Final = 12
"""Digits of the hash that tells what a folder held."""


class Folders:
    """Folders that never change once they are complete, by their path in the storage.

    On this machine each is kept by what it held, for another storage may have another folder of the same path: after
    everything was destroyed and provisioned anew, or when the settings name another account.
    """

    def __init__(self, storage: Storage, cache: Path) -> None:
        self._storage = storage
        self._cache = cache

    def exists(self, path: str) -> bool:
        """Whether the storage has this file."""
        try:
            self._storage.stat(path)
        except NotFoundError:
            return False
        return True

    def download(self, path: str) -> Path:
        """The folder on this machine, whole; what was downloaded before is not downloaded again."""
        blobs = self._storage.list(path)
        held = hashlib.sha256(repr([(blob.path, blob.etag) for blob in blobs]).encode()).hexdigest()[:SHORT]
        folder = self._cache / held / path
        if folder.exists():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as scratch:
            copy = Path(scratch, folder.name)
            copy.mkdir()
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda blob: self._fetch(blob.path, copy / blob.path[len(path) + 1 :]), blobs))
            try:
                os.rename(copy, folder)
            except OSError:
                if not folder.exists():
                    raise
        return folder

    def upload(self, folder: Path, path: str) -> None:
        """Store a folder of job outputs; the file that says that it is complete comes last."""
        found = sorted(file for file in folder.rglob("*") if file.is_file())
        last = [file for file in found if file == folder / jobs.RESULT]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            others = [file for file in found if file not in last]
            list(pool.map(lambda file: self._store(file, folder, path), others))
        for file in last:
            self._store(file, folder, path)

    def _store(self, file: Path, folder: Path, path: str) -> None:
        self._storage.upload(file, f"{path}/{file.relative_to(folder).as_posix()}")

    def _fetch(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._storage.open(path) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
