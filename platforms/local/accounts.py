"""Whose process a service is: PostgreSQL refuses to run as root, so root runs it as `nobody`."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A user without any supplementary group."""

    uid: int
    gid: int

    def owns(self, folder: Path) -> None:
        """Hand a folder to this user and close it to everybody else."""
        if folder.stat().st_uid != self.uid:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def reaches(self, path: Path) -> bool:
        """Whether this user, who owns nothing there, may pass every folder down to `path`."""
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
        return all(folder.stat().st_mode & stat.S_IXOTH for folder in (existing, *existing.resolve().parents))


def unprivileged() -> Account | None:
    """`nobody` when this process is root, None when it is somebody already."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)
