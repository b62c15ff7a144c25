"""The deployments of prefect.yaml, published for every recipe."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import yaml

from platforms.protocols import PlatformError

ROOT: Final = Path(__file__).resolve().parent.parent
DEFINITION: Final = ROOT / "prefect.yaml"
DEFAULT_RECIPE: Final = "diabetes"

Node = Mapping[str, "Node"] | list["Node"] | str | int | float | bool | None


class PublishError(PlatformError):
    """Prefect refused the deployments; the message holds what it printed."""


def expand(definition: Mapping[str, Node], recipes: Iterable[str]) -> dict[str, Node]:
    """The definition with its deployments repeated for every recipe, under that recipe's name."""
    deployments = definition["deployments"]
    repeated: list[Node] = []
    for recipe in recipes:
        renamed = _renamed(deployments, recipe)
        repeated += renamed if isinstance(renamed, list) else [renamed]
    return {"name": definition["name"], "pull": definition["pull"], "deployments": repeated}


def _renamed(node: Node, recipe: str) -> Node:
    match node:
        case Mapping():
            return {key: _renamed(value, recipe) for key, value in node.items()}
        case list():
            return [_renamed(value, recipe) for value in node]
        case str() if node == DEFAULT_RECIPE or node.endswith((f".{DEFAULT_RECIPE}", f":{DEFAULT_RECIPE}")):
            return node.removesuffix(DEFAULT_RECIPE) + recipe
        case _:
            return node


def publish(recipes: Iterable[str], api_url: str) -> None:
    """Create or update the deployments of all recipes on the server; raises `PublishError`."""
    definition = expand(yaml.safe_load(DEFINITION.read_text()), recipes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(yaml.safe_dump(definition, sort_keys=False))
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
            cwd=ROOT,
            env=os.environ | {"PREFECT_API_URL": api_url, "PWD": str(ROOT)},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise PublishError(f"prefect deploy ended with {done.returncode}:\n{done.stdout}{done.stderr}")
