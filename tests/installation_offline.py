"""The same installation, its platform an offline Azure of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from platforms.azure.infrastructure import AzureInfrastructure
from platforms.azure.settings import AzureSettings
from tests import leaks
from tests.emulator.clusters import Clusters
from tests.emulator.emulator import Emulator
from tests.emulator.key_vault import Vault
from tests.emulator.kubernetes_controllers import is_ready
from tests.emulator.kubernetes_pods import Pod
from tests.emulator.running import led_to, running
from tests.emulator.world import World
from tests.installation import Installation, brought_up
from tests.platforms.azure import left_behind
from tests.platforms.azure.faulty import every_service
from tests.waiting import wait_for


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
        yield from left_behind.everything(self._emulator.world, self.prefect_api)

    def close_segments(self) -> None:
        """A replica that comes back closes what the killed one left, and the shipper takes what is closed."""
        for pid in self.replicas():
            os.kill(pid, signal.SIGKILL)

    def kill_replica(self) -> int:
        """As on a cluster, connections are led to the dead one until the kubelet has noticed."""
        before = len(self._ready())
        victim = super().kill_replica()
        wait_for(lambda: len(self._ready()) < before)
        return victim

    def replicas(self) -> list[int]:
        return [pid for pod in self._ready() if (pid := pod.containers["scoring"].pid)]

    def _ready(self) -> list[Pod]:
        """The pods behind the prod endpoint, as the cluster sees them."""
        cluster = self._emulator.world.part(Clusters).get("ridgeline")
        pods = [pod for key, pod in cluster.node.pods.items() if "-stable-" in key.name]
        return [pod for pod in pods if is_ready(cluster.store.peek(pod.key) or {})]


LOOK: Final = 0.1
"""Seconds between two looks at the offline Azure, whose threads have the same processor."""


@contextmanager
def started_offline(folder: Path) -> Iterator[Installation]:
    """An installation on what `provision` makes of an empty subscription, brought up by `up --detach`."""
    with provisioned(folder) as emulator, brought_up(OfflineInstallation(folder, emulator)) as made:
        yield made


@contextmanager
def started_offline_in_trouble(folder: Path) -> Iterator[Installation]:
    """The same, although Azure throttles until there is a model, and then loses answers until it serves."""

    def azure_has_a_bad_day(over: Callable[[], bool]) -> None:
        with every_service("throttle")(emulator.world):
            wait_for(lambda: over() or has_model(emulator.world), 420, LOOK)
        with every_service("drop-answer")(emulator.world):
            wait_for(over, 420, LOOK)

    with (
        provisioned(folder) as emulator,
        brought_up(OfflineInstallation(folder, emulator), azure_has_a_bad_day) as made,
    ):
        yield made


def has_model(world: World) -> bool:
    """Whether the workspace has a model."""
    return any("/models/diabetes/versions/" in found for found in world.resources.ids())


@contextmanager
def provisioned(folder: Path) -> Iterator[Emulator]:
    """An offline Azure with all that Ridgeline needs; by `ridgeline provision` it would take longer to start."""
    with running(folder / "azure", provisioned=False) as emulator:
        with led_to(emulator):
            infrastructure = AzureInfrastructure(AzureSettings())
            for change in infrastructure.plan():
                infrastructure.apply(change.resource)
        yield emulator
