"""The log shipper's part of a scoring image: its code, the storage adapter it is sent with, and their packages.

It runs beside the service from the same image, in an environment of its own: Arrow alone is larger than all that the
service needs.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from platforms import selection
from platforms.settings import ROOT, Settings

SHIPPER: Final = "log_shipper"
PACKAGES: Final = ("msgspec", "pyarrow", "pydantic-settings")
"""What the shipper itself imports; the storage adapter names the rest."""
CHOOSERS: Final = {"__init__.py", "selection.py"}
"""Files whose functions import what somebody chooses; only what they need in any case comes along."""


def copy_shipper(context: Path) -> list[str]:
    """Copy what the shipper consists of into a build context; returns the packages that it imports."""
    source = selection.storage_source(Settings())
    files = [*(ROOT / SHIPPER).glob("*.py"), *(file for name in source.modules for file in _files(name))]
    for file in sorted(_closure(files)):
        target = context / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return [*PACKAGES, *source.packages]


def _closure(files: list[Path]) -> set[Path]:
    """These files and all files of ours that they import."""
    found: set[Path] = set()
    queue = list(files)
    while queue:
        file = queue.pop()
        if file not in found:
            found.add(file)
            queue += [needed for name in _imports(file) for needed in _files(name)]
    return found


def _imports(file: Path) -> Iterator[str]:
    """Every dotted name that a file imports, those of `from a import b` as `a` and `a.b`."""
    tree = ast.parse(file.read_text())
    for node in tree.body if file.name in CHOOSERS else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(module: str) -> list[Path]:
    """The file of a module of ours with the packages that it is in; none for a foreign module."""
    path = ROOT.joinpath(*module.split("."))
    own = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    if not own:
        return []
    return [*own, *(parent / "__init__.py" for parent in own[0].parents if (parent / "__init__.py").is_file())]
