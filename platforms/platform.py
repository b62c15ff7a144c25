"""What a platform is: one implementation of each port."""

from __future__ import annotations

from dataclasses import dataclass

from platforms.protocols import (
    Arrivals,
    Compute,
    DatasetStore,
    Endpoints,
    ImageBuilder,
    Infrastructure,
    Journal,
    Lock,
    Registry,
    Secrets,
    Storage,
    Telemetry,
    TrafficLog,
)


@dataclass(frozen=True)
class Platform:
    """All ports of one platform."""

    name: str
    storage: Storage
    arrivals: Arrivals
    datasets: DatasetStore
    compute: Compute
    registry: Registry
    images: ImageBuilder
    endpoints: Endpoints
    traffic: TrafficLog
    secrets: Secrets
    lock: Lock
    journal: Journal
    telemetry: Telemetry
    infrastructure: Infrastructure
