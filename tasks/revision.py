"""Which code this is: the commit of the clone, and whether its files are those of the commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from platforms.settings import ROOT


def commit(root: Path = ROOT) -> str | None:
    """The full hash of the commit that is checked out, None where the code is no git checkout."""
    return _git(root, "rev-parse", "HEAD")


def tree_state(root: Path = ROOT) -> str:
    """`clean`, `dirty`, or `unknown` where the code is no git checkout."""
    changes = _git(root, "status", "--porcelain")
    if changes is None:
        return "unknown"
    return "dirty" if changes else "clean"


def version(root: Path = ROOT) -> str | None:
    """The commit as a deployment carries it: `<commit>`, or `<commit>-dirty` where files differ from it."""
    found = commit(root)
    return found and (found if tree_state(root) == "clean" else f"{found}-dirty")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
