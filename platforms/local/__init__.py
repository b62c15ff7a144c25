"""The embedded platform: one machine, no account, no Docker."""

from __future__ import annotations

import os

from platforms.platform import Platform
from platforms.settings import ROOT, Settings


def build(settings: Settings) -> Platform:
    """Every port of the local platform, below the settings' state folder; nothing is started."""
    from platforms.delta import DeltaStore
    from platforms.local import launch_client
    from platforms.local.arrivals import FolderArrivals
    from platforms.local.compute import LocalCompute
    from platforms.local.endpoints import LocalEndpoints
    from platforms.local.images import LocalImages
    from platforms.local.infrastructure import NoInfrastructure
    from platforms.local.journal import file_journal
    from platforms.local.lock import FileLockTable
    from platforms.local.registry import MlflowRegistry
    from platforms.local.secrets import FileSecrets
    from platforms.local.storage import LocalStorage
    from platforms.local.telemetry import FileTelemetry
    from platforms.local.traffic import LocalTrafficLog, traffic_root

    state = settings.state_dir
    storage = LocalStorage.of(settings)
    secrets = FileSecrets(state / "secrets")
    return Platform(
        name="local",
        storage=storage,
        arrivals=FolderArrivals(storage, "landing/"),
        datasets=DeltaStore(state / "tables"),
        compute=LocalCompute(
            state, ROOT, settings.job_timeout, settings.job_memory_mb, os.environ.get(launch_client.VARIABLE)
        ),
        registry=MlflowRegistry(state, settings.url(settings.mlflow_port)),
        images=LocalImages(settings),
        endpoints=LocalEndpoints(settings, secrets),
        traffic=LocalTrafficLog(traffic_root(settings), storage),
        secrets=secrets,
        lock=FileLockTable(state / "locks"),
        journal=file_journal(state / "journal"),
        telemetry=FileTelemetry(state / "telemetry.jsonl"),
        infrastructure=NoInfrastructure(),
    )
