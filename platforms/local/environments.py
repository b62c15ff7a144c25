"""Virtual environments with exactly the packages of a requirements file; equal files share one.

`<folder>/<hash>/` appears whole or not at all: without `.complete` it is made again.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uv
from filelock import FileLock

from platforms.errors import PlatformError
from platforms.settings import ROOT

SHORT: Final = 12
"""Digits of the hash that names an environment."""
LAST_LINES: Final = 20


def environment(folder: Path, requirements: Path) -> Path:
    """The python of an environment in `folder` with these packages, made if it is missing; raises `PlatformError`."""
    version = ".".join(map(str, sys.version_info[:3]))
    key = hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()[:SHORT]
    home = folder / key
    python, done = home / "bin" / "python", home / ".complete"
    if done.exists():
        return python
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{key}.lock"):
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)
            _install(home, python, requirements)
            done.touch()
    return python


def run(command: Sequence[str], folder: Path) -> list[str]:
    """Run a command in a folder; returns its lines, and raises `PlatformError` with the last ones if it fails."""
    result = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = result.stdout.splitlines()
    if result.returncode:
        last = "\n".join(lines[-LAST_LINES:])
        raise PlatformError(f"`{' '.join(command)}` failed with exit code {result.returncode}:\n{last}")
    return lines


def _install(home: Path, python: Path, requirements: Path) -> None:
    uv_bin = uv.find_uv_bin()
    run([uv_bin, "venv", "--quiet", "--no-project", "--python", sys.executable, str(home)], ROOT)
    install = [uv_bin, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--python", str(python)]
    run([*install, "--requirements", str(requirements.resolve())], ROOT)
