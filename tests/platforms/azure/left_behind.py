"""Everything that the offline Azure and the Prefect server keep after a run, and the secrets that were used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from tests import leaks
from tests.emulator.clusters import Clusters
from tests.emulator.key_vault import Vault
from tests.emulator.monitor import TABLES, Monitor
from tests.emulator.storage_accounts import Accounts
from tests.emulator.world import World

KINDS = ("pods", "statefulsets", "services", "configmaps", "events", "horizontalpodautoscalers")


def secrets(world: World) -> Mapping[str, str]:
    """The vault's values, of API keys only the part that is secret, and the storage account's key."""
    vault = world.part(Vault)
    newest = {name: vault.newest(name).value for name in list(vault.secrets)}
    found = {
        f"{name}, line {number}": line.split()[-1]
        for name, value in newest.items()
        for number, line in enumerate(value.splitlines())
    }
    return {name: value for name, value in found.items() if len(value) >= 16} | {"storage key": world.storage.key}


def everything(world: World, prefect_api: str) -> leaks.Evidence:
    """Blobs with logs and models, Prefect's records, resources with tags, images, objects of Kubernetes, telemetry.

    Left out is only what is there to hold secrets: volumes of pods, and the certificates' folder.
    """
    return chain(
        ((f"blob {path}", content) for path, content in world.part(Accounts).contents()),
        leaks.in_prefect(prefect_api),
        leaks.in_documents("resource", world.resources.everything()),
        leaks.in_documents("object", _objects(world)),
        leaks.in_documents(
            "telemetry", (row for table in TABLES.values() for row in world.part(Monitor).rows(table))
        ),
        leaks.in_folder(world.folder, "certificates", "volumes"),
    )


def _objects(world: World) -> Iterator[Mapping[str, object]]:
    cluster = world.part(Clusters).get("ridgeline")
    for kind in KINDS:
        yield from cluster.store.all(kind)
