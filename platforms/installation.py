"""An installation: one state folder, whose Prefect server knows the flow runs, and random ids kept in it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def identity(state: Path) -> str:
    """The random id of the installation in a state folder; a copy of the folder is the same installation."""
    return random_id(state / "installation.id")


def random_id(file: Path) -> str:
    """The random id that a file keeps, made once; of two that ask at the same time both get the same."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        mine = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        mine.write_text(secrets.token_hex(8))
        try:
            os.link(mine, file)
        except FileExistsError:
            pass
        finally:
            mine.unlink()
    return file.read_text().strip()
