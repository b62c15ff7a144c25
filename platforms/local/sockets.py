"""The short folder of a state's sockets, and the random id that names it.

A unix socket's path may have 107 bytes at most, so sockets cannot live in a state folder of any depth. The id is
random and kept in the state folder: a new clone at an old path finds nothing of its predecessor.
"""

from __future__ import annotations

import os
from pathlib import Path

from platforms.errors import PlatformError
from platforms.installation import random_id
from platforms.local import files

SHORT = Path("/tmp")
OWNER = "state"
"""The file in a folder outside of the state folder that tells whose it is."""


def identity(state: Path) -> str:
    """The random id of what a state folder has outside of itself, made once."""
    return random_id(state / "postgres.id")


def folder(state: Path) -> Path:
    """The state's socket folder, made if missing; raises `PlatformError` if somebody else's stands in its place."""
    path = own(SHORT / f"ridgeline-{identity(state)}")
    note = path / OWNER
    if not note.exists() or note.read_text() != str(state):
        files.write(note, lambda target: target.write(str(state).encode()))
    return path


def own(path: Path) -> Path:
    """Make a folder of ours in a place that is open to all; others may pass through it, but neither list nor write.

    Raises `PlatformError` if somebody else's stands there.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        raise PlatformError(f"{path} belongs to somebody else: delete it, or postgres.id in the state folder")
    path.chmod(0o711)
    return path


def scratch(state: Path) -> Path:
    """A folder for temporary files that nobody else uses."""
    path = folder(state) / "tmp"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def launcher(state: Path) -> Path:
    """The socket of the launcher."""
    return folder(state) / "launcher.sock"
