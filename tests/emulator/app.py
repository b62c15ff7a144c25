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

from tests.emulator import arm, identity, key_vault, storage
from tests.emulator.azurite import StorageAccount
from tests.emulator.faults import FaultMiddleware
from tests.emulator.world import World

ROUTES: Final[list[Callable[[World], list[BaseRoute]]]] = [
    identity.routes,
    key_vault.routes,
    arm.routes,
]
ENVIRONMENTS: Final[list[Callable[[World], dict[str, str]]]] = []
SEEDS: Final[list[Callable[[World], None]]] = [
    arm.seed,
    storage.seed,
]


def build(world: World, azurite: StorageAccount) -> ASGIApp:
    """The application, faults included."""
    found = [made for routes in ROUTES for made in routes(world)]
    return FaultMiddleware(Starlette(routes=[*storage.routes(world, azurite), *found]), world.faults)
