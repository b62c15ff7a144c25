"""Files of secret volumes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def write_files(folder: Path, values: Mapping[str, bytes]) -> None:
    """Replace files one by one, each at once."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        new = folder / f".{name}"
        new.write_bytes(value)
        new.chmod(0o440)
        os.replace(new, folder / name)
