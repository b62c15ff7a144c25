"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

TEMPORARY: Final = ".tmp-"
"""Names that begin so are half-written files; a crash may leave some, readers skip them."""


def temporary_beside(path: Path) -> Path:
    """A name for a half-written file in the folder of `path`, which is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")


def write(path: Path, fill: Callable[[BinaryIO], object], mode: int = 0o644) -> None:
    """Write what `fill` puts into the file to disk, then give it the name `path`."""
    temporary = temporary_beside(path)
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder under a temporary name and rename it; a target that is there already stays as it is."""
    if target.exists():
        return
    temporary = temporary_beside(target)
    try:
        shutil.copytree(source, temporary)
        temporary.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make renames within the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
