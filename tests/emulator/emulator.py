"""Starting and stopping the offline Azure: Azurite as a child, the TLS server as a thread of this process."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from pathlib import Path
from typing import Self

import uvicorn

from tests.emulator import app
from tests.emulator.azurite import Azurite
from tests.emulator.certificates import Certificates
from tests.emulator.world import World


def _listener() -> socket.socket:
    """A port of the system's choice. asyncio turns Nagle's delays off only if the socket says that it is TCP."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.bind(("127.0.0.1", 0))
    made.listen(256)
    return made


class Server(uvicorn.Server):
    """Ends at once: clients keep idle connections, and TLS would wait for each of them to say goodbye."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport:
                connection.transport.abort()
        await super().shutdown(sockets)


class Emulator:
    """One offline Azure from `start` to `close`. Unless `provisioned`, it is an empty subscription."""

    def __init__(self, folder: Path, *, provisioned: bool = True) -> None:
        self._provisioned = provisioned
        certificates = Certificates.make(folder / "certificates")
        self._azurite = Azurite(folder / "azurite", certificates)
        self._socket = _listener()
        base_url = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        account = self._azurite.account
        storage = dataclasses.replace(account, blob_endpoint=f"{base_url}/{account.name}")
        self.world = World(folder, base_url, certificates, storage, account)
        config = uvicorn.Config(
            app.build(self.world),
            ssl_certfile=certificates.chain,
            ssl_keyfile=str(certificates.key),
            log_level="critical",
            lifespan="on",
            ws="none",
            loop="asyncio",
            access_log=False,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=1,
        )
        self._server = Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=[[self._socket]], name="emulator-server", daemon=True
        )

    def start(self) -> Self:
        """Return when everything answers."""
        self._thread.start()
        self._azurite.wait()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the emulator's server does not start: see above")
            time.sleep(0.01)
        if self._provisioned:
            for seed in app.SEEDS:
                seed(self.world)
        return self

    def close(self) -> None:
        self.world.close()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(5)
        self._socket.close()
        self._azurite.close()

    def environment(self) -> dict[str, str]:
        """The variables that point the real SDKs, and Ridgeline, to this Azure."""
        world = self.world
        found = {
            **world.certificates.environment(),
            "IDENTITY_ENDPOINT": f"{world.base_url}/msi/token",
            "IDENTITY_HEADER": world.identity_header,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "RIDGELINE_PLATFORM": "azure",
            "RIDGELINE_AZURE_SUBSCRIPTION_ID": world.subscription,
            "RIDGELINE_AZURE_TENANT_ID": world.tenant,
            "RIDGELINE_AZURE_RESOURCE_GROUP": world.resource_group,
            "RIDGELINE_AZURE_RESOURCE_MANAGER": world.base_url,
            "RIDGELINE_AZURE_AUTHORITY": world.base_url,
            "RIDGELINE_AZURE_STORAGE_ACCOUNT": world.storage.name,
            "RIDGELINE_AZURE_STORAGE_ENDPOINT": world.storage.blob_endpoint,
            "RIDGELINE_AZURE_CONTAINER": world.container,
            "RIDGELINE_AZURE_KEY_VAULT": world.base_url,
            "RIDGELINE_AZURE_RETRY_WAIT": "0.02",
            "RIDGELINE_AZURE_POLL_SECONDS": "0.2",
        }
        for environment in app.ENVIRONMENTS:
            found |= environment(world)
        return found
