"""What our code imports is declared: what only came along with something else may be gone with its next version."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from platforms.settings import ROOT

PYPROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS: Final = PYPROJECT["tool"]["coverage"]["run"]["source"]
AZURE: Final = "platforms/azure"
NAMES: Final = {"dotenv": "python-dotenv", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Packages that are not called as what is imported of them."""
UNDECLARED: Final = {
    "lightgbm": "a recipe that learns with it declares it",
    "onnxmltools": "the same, to convert it",
    "opentelemetry": "images that trace declare it; on Azure it comes with azure-monitor-opentelemetry",
}


def declared(folder: str) -> set[str]:
    texts = [*PYPROJECT["project"]["dependencies"]]
    if folder == AZURE:
        texts += PYPROJECT["project"]["optional-dependencies"]["azure"]
    return {canonicalize_name(Requirement(text).name) for text in texts}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def packages(module: str) -> set[str]:
    """The packages that a module may be of. Those of Azure share one name: theirs begin as the module does."""
    top, *parts = module.split(".")
    if top != "azure":
        return {NAMES.get(top, canonicalize_name(top))}
    return {"-".join((top, *parts[:length])) for length in range(1, len(parts) + 1)}


@pytest.mark.parametrize("folder", [*OURS, AZURE])
def test_every_package_that_is_imported_is_declared(folder: str) -> None:
    known, own = declared(folder), {*sys.stdlib_module_names, *OURS, *UNDECLARED}
    missing = set()
    for file in (ROOT / folder).rglob("*.py"):
        if folder != AZURE and file.is_relative_to(ROOT / AZURE):
            continue
        for module in imports(file):
            if module.partition(".")[0] not in own and not packages(module) & known:
                missing.add(f"{file.relative_to(ROOT)} imports {module}")
    assert missing == set(), "declare its package in pyproject.toml"
