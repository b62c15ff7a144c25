"""Azurite, Microsoft's own emulator of blobs and queues, as a child process."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.emulator.certificates import Certificates
from tests.ports import free_port

PROGRAM: Final = Path(__file__).parent / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
ACCOUNT: Final = "ridgelineoffline"
START_SECONDS: Final = 60.0


@dataclass(frozen=True)
class StorageAccount:
    """One storage account behind two addresses, both `https://127.0.0.1:<port>/<account>`."""

    name: str
    key: str
    blob_endpoint: str
    queue_endpoint: str

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=https;AccountName={self.name};AccountKey={self.key};"
            f"BlobEndpoint={self.blob_endpoint};QueueEndpoint={self.queue_endpoint};"
        )


def missing() -> str | None:
    """Why Azurite cannot run here; None if it can."""
    if shutil.which("node") is None:
        return "node is not installed: run scripts/install-test-packages"
    if not PROGRAM.exists():
        return "Azurite is not installed: run `make azurite`"
    return None


class Azurite:
    """A running Azurite, its data in memory."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "azurite.log"
        key = base64.b64encode(hashlib.sha512(os.urandom(32)).digest()).decode()
        self._ports = [free_port(), free_port()]
        blobs, queues = (f"https://127.0.0.1:{port}/{ACCOUNT}" for port in self._ports)
        self.account = StorageAccount(ACCOUNT, key, blobs, queues)
        self._process = self._start(folder, certificates)

    def wait(self) -> None:
        """Wait until both ports are open; raises `RuntimeError` with what Azurite said if it ends."""
        end = time.monotonic() + START_SECONDS
        for port in self._ports:
            while not _opens(port):
                if self._process.poll() is not None or time.monotonic() > end:
                    self.close()
                    raise RuntimeError(f"Azurite does not start: {self._log.read_text()[-2000:]}")
                time.sleep(0.02)

    def close(self) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()

    def _start(self, folder: Path, certificates: Certificates) -> subprocess.Popen[bytes]:
        blob, queue = map(str, self._ports)
        options = [
            *("--blobPort", blob, "--queuePort", queue, "--tablePort", str(free_port())),
            *("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent", "--oauth", "basic"),
            *("--cert", str(certificates.chain), "--key", str(certificates.key)),
        ]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                ["node", str(PROGRAM), *options],
                cwd=folder,
                env={**os.environ, "AZURITE_ACCOUNTS": f"{self.account.name}:{self.account.key}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def _opens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
