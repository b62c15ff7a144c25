"""Which installation acts on the platform: one at a time.

A Prefect server knows its own flow runs only. Of two installations on one Azure, each would take the other's runs for
ended and free their locks, so the first one claims the platform, and another has to take it over.
"""

from __future__ import annotations

import socket
from typing import Final

from platforms.errors import ConflictError
from platforms.installation import identity
from platforms.selection import current
from platforms.settings import Settings

NAME: Final = "installation"
"""The lock whose owner may act."""


def require() -> None:
    """Claim a platform that nobody has claimed; raises `ConflictError` if another installation has."""
    lock, me = current().lock, _me()
    owner = lock.owner(NAME)
    if owner is None and lock.swap(NAME, None, me):
        return
    owner = owner or lock.owner(NAME) or ""
    if _id(owner) != _id(me):
        raise ConflictError(
            f"this platform is in the hands of installation {owner}: end that one and take over by `ridgeline up "
            "--take-over`, or give this one a platform of its own by other settings"
        )


def take_over() -> None:
    """Claim the platform whoever has it; raises `ConflictError` if somebody else does so at the same moment."""
    lock, me = current().lock, _me()
    # A lost answer makes a swap look as if somebody else had been faster.
    if not lock.swap(NAME, lock.owner(NAME), me) and lock.owner(NAME) != me:
        raise ConflictError("somebody else is taking over this platform at this moment")


def _me() -> str:
    """This installation, and the machine it runs on, for people."""
    return f"{identity(Settings().state_dir)} on {socket.gethostname()}"


def _id(owner: str) -> str:
    return owner.partition(" ")[0]
