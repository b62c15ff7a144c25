"""Blobs as Azure's other services read and write them, and the signed addresses that they hand out."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import generate_blob_sas, generate_container_sas

from tests.emulator.storage_accounts import Accounts
from tests.emulator.world import World

HOUR = timedelta(hours=1)


class Blobs:
    """The storage account, from within. The next addresses after `expire` are of yesterday."""

    def __init__(self, world: World) -> None:
        self._account = world.storage
        self._accounts = world.part(Accounts)
        self._client = self._accounts.blobs
        self._containers: set[str] = set()
        self._lock = threading.Lock()
        self._expired = 0

    def expire(self, times: int) -> None:
        """Let so many of the next signed addresses be expired when they are handed out."""
        with self._lock:
            self._expired = times

    def make_container(self, name: str) -> None:
        """Make a container unless it was made here before."""
        if name not in self._containers:
            self._accounts.create_container(name)
            self._containers.add(name)

    def put(self, container: str, path: str, content: bytes) -> None:
        self.make_container(container)
        self._client.get_blob_client(container, path).upload_blob(content, overwrite=True)

    def get(self, container: str, path: str) -> bytes:
        content: bytes = self._client.get_blob_client(container, path).download_blob().readall()
        return content

    def download(self, container: str, prefix: str, folder: Path) -> None:
        """Copy every blob below the prefix into the folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        for name in self._client.get_container_client(container).list_blob_names(name_starts_with=start):
            file = folder / name[len(start) :]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.get(container, name))

    def upload(self, folder: Path, container: str, prefix: str) -> None:
        """Copy every file of the folder below the prefix."""
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            self.put(container, f"{prefix.strip('/')}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def blob_url(self, container: str, path: str, permission: str) -> str:
        """A signed address of one blob."""
        self.make_container(container)
        name, key = self._account.name, self._account.key
        signature = generate_blob_sas(name, container, path, account_key=key, permission=permission, **self._times())
        return f"{self._account.blob_endpoint}/{container}/{path}?{signature}"

    def container_urls(self, container: str, permission: str) -> tuple[str, str]:
        """The address of a container, plain and signed."""
        self.make_container(container)
        name, key = self._account.name, self._account.key
        signature = generate_container_sas(name, container, account_key=key, permission=permission, **self._times())
        url = f"{self._account.blob_endpoint}/{container}"
        return url, f"{url}?{signature}"

    def _times(self) -> dict[str, datetime]:
        with self._lock:
            expired = self._expired > 0
            self._expired -= expired
        now = datetime.now(UTC)
        return {"expiry": now - HOUR, "start": now - 2 * HOUR} if expired else {"expiry": now + HOUR}
