"""The whole offline Azure as one application. A further service is a module with `routes`, and a line here.

A module may also say which variables point clients to it (`environment`), and what a provisioned Azure has of it
(`seed`). Routes are tried in their order: the generic resource provider comes last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from tests.emulator import (
    arm,
    clusters,
    container_instances,
    container_registry,
    event_grid,
    identity,
    key_vault,
    machine_learning,
    machine_learning_jobs,
    monitor,
    principals,
    storage,
    storage_accounts,
)
from tests.emulator.faults import FaultMiddleware
from tests.emulator.world import World

ROUTES: Final[list[Callable[[World], list[BaseRoute]]]] = [
    identity.routes,
    key_vault.routes,
    clusters.routes,
    container_instances.routes,
    container_registry.routes,
    machine_learning.routes,
    machine_learning_jobs.routes,
    monitor.routes,
    principals.routes,
    storage_accounts.routes,
    event_grid.routes,
    arm.routes,
]
ENVIRONMENTS: Final[list[Callable[[World], dict[str, str]]]] = [
    clusters.environment,
    container_registry.environment,
    event_grid.environment,
    monitor.environment,
]
SEEDS: Final[list[Callable[[World], None]]] = [
    arm.seed,
    storage.seed,
    clusters.seed,
    container_registry.seed,
    machine_learning.seed,
    monitor.seed,
    event_grid.seed,
]


def build(world: World) -> ASGIApp:
    """The application, faults included."""
    blobs = storage.Forwarder(world)
    found = [made for routes in ROUTES for made in routes(world)]
    app = Starlette(routes=[*blobs.routes(), *found], lifespan=lambda _: blobs.connected())
    return FaultMiddleware(app, world.faults)
