"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from platforms import races
from platforms.errors import ConflictError

TEMPORARY: Final = ".tmp-"
"""Names that begin so are half-written files; a crash may leave some, readers skip them."""


def temporary_beside(path: Path) -> Path:
    """A name for a half-written file in the folder of `path`, which is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return _temporary(path)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")


def write(path: Path, fill: Callable[[BinaryIO], object], mode: int = 0o644) -> None:
    """Write what `fill` puts into the file to disk, then give it the name `path`."""
    temporary, opened = _opened_beside(path, mode)
    try:
        with opened as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # Another one has moved the file on by now, and removed the folder.
        sync_folder(path.parent)


def _opened_beside(path: Path, mode: int) -> tuple[Path, BinaryIO]:
    """A new temporary file, which keeps the folder of `path` from being removed."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, mode)

    for _ in races.attempts():
        if _made(path.parent):
            temporary = _temporary(path)
            with suppress(FileNotFoundError):  # The folder was removed in between.
                return temporary, open(temporary, "xb", opener=opener)
    raise _removed(path.parent)


def rename(old: Path, new: Path) -> None:
    """Give a file another name, whose folder is created; raises `FileNotFoundError` if the file is gone."""
    for _ in races.attempts():
        try:
            if _made(new.parent):
                old.replace(new)
                return
        except FileNotFoundError:
            if not old.exists():
                raise
    raise _removed(new.parent)


def _made(folder: Path) -> bool:
    """Make a folder with its parents; False if another one removes one of them, as they are empty, in this moment."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:
        return False
    except FileExistsError:  # So `mkdir` says too of a folder that was there and is gone when it looks again.
        if _is_blocked(folder):
            raise
        return False
    return True


def _is_blocked(folder: Path) -> bool:
    """Whether something that is no folder has its name, by one look: a folder may come and go meanwhile."""
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISDIR(mode) and not folder.is_dir()


def remove_empty(folder: Path, keep: Path) -> None:
    """Remove a folder if it is empty, and then its parents, all of them below `keep`, which stays."""
    while folder != keep and folder.is_relative_to(keep):
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent


def _removed(folder: Path) -> ConflictError:
    return ConflictError(f"others remove {folder} as often as it is made: try again")


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
