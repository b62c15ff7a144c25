"""The same installation, its platform an offline Azure of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from platforms.azure.infrastructure import AzureInfrastructure
from platforms.azure.settings import AzureSettings
from tests import leaks
from tests.emulator.clusters import Clusters
from tests.emulator.emulator import Emulator
from tests.emulator.key_vault import Vault
from tests.emulator.running import led_to, running
from tests.installation import Installation, brought_up
from tests.platforms.azure import left_behind


class OfflineInstallation(Installation):
    """What the command line cannot tell is looked up in the emulator."""

    logged = frozenset({"prod"})

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        super().__init__(folder, emulator.environment() | {"RIDGELINE_AZURE_SHIP_LOGS": "true"})
        self._emulator = emulator

    def key(self, endpoint: Mapping[str, object]) -> str:
        vault = self._emulator.world.part(Vault)
        return vault.newest(str(endpoint["key_secret"])).value.split()[1]

    def secrets(self) -> Mapping[str, str]:
        return left_behind.secrets(self._emulator.world)

    def left_behind(self) -> leaks.Evidence:
        yield from leaks.in_folder(self.state)
        yield from left_behind.everything(self._emulator.world, f"{self.status()['prefect_url']}/api")

    def close_segments(self) -> None:
        """A replica that comes back closes what the killed one left, and the shipper takes what is closed."""
        for pid in self.replicas():
            os.kill(pid, signal.SIGKILL)

    def replicas(self) -> list[int]:
        cluster = self._emulator.world.part(Clusters).get("ridgeline")
        containers = [pod.containers["scoring"] for key, pod in cluster.node.pods.items() if "-stable-" in key.name]
        return [container.pid for container in containers if container.pid]


@contextmanager
def started_offline(folder: Path) -> Iterator[Installation]:
    """An installation on what `provision` makes of an empty subscription, brought up by `up --detach`."""
    with running(folder / "azure", provisioned=False) as emulator:
        provision(emulator)
        with brought_up(OfflineInstallation(folder, emulator)) as made:
            yield made


def provision(emulator: Emulator) -> None:
    """Do what `ridgeline provision` does, in this process: another one would take long to start."""
    with led_to(emulator):
        infrastructure = AzureInfrastructure(AzureSettings())
        for change in infrastructure.plan():
            infrastructure.apply(change.resource)
