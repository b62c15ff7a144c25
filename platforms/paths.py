"""Paths of blobs: relative, with `/` between their parts, and nowhere but below the storage's root."""

from __future__ import annotations

from pathlib import PurePosixPath

from platforms.errors import PlatformError


def parts(path: str) -> tuple[str, ...]:
    """The parts of a blob's path; raises `PlatformError` if it leads out of the storage."""
    found = PurePosixPath(path).parts
    if not found or ".." in found or path.startswith("/") or "\0" in path:
        raise outside(path)
    return found


def outside(path: str) -> PlatformError:
    """What is wrong with a path that leads out."""
    return PlatformError(f"blob path {path!r} leaves the storage folder: use a relative path without '..'")
