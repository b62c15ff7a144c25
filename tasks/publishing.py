"""The deployments of prefect.yaml, published for every recipe."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL, temporary_settings

from platforms.errors import PlatformError
from platforms.settings import ROOT, Settings
from recipes import catalog
from recipes.recipe import RecipeError
from tasks import revision

DEFINITION: Final = ROOT / "prefect.yaml"
DEFAULT_RECIPE: Final = "diabetes"
PYTHON: Final = (sys.executable, "-m")

Node = Mapping[str, "Node"] | list["Node"] | str | int | float | bool | None


class PublishError(PlatformError):
    """A recipe does not load, or Prefect refused the deployments; the message says which, or what it printed."""


def expand(
    definition: Mapping[str, Node], recipes: Iterable[str], version: str | None = None, pool: str | None = None
) -> dict[str, Node]:
    """The definition with the default recipe's deployments repeated for every recipe, under that recipe's name.

    Any other deployment belongs to no recipe and is kept once. All of them carry `version`, if there is one, and run
    in `pool`, or else in the one that the definition names.
    """
    given = definition["deployments"]
    deployments = [node for node in given if isinstance(node, Mapping)] if isinstance(given, list) else []
    repeated = [node for node in deployments if node["name"] == DEFAULT_RECIPE]
    expanded: list[Mapping[str, Node]] = [
        {key: _renamed(value, recipe) for key, value in node.items()} for recipe in recipes for node in repeated
    ]
    expanded += [node for node in deployments if node not in repeated]
    pooled = [_pooled(node, pool) for node in expanded]
    versioned: list[Node] = [{**node, "version": version} if version else node for node in pooled]
    return {"name": definition["name"], "pull": definition["pull"], "deployments": versioned}


def _pooled(node: Mapping[str, Node], pool: str | None) -> Mapping[str, Node]:
    named = node["work_pool"]
    return {**node, "work_pool": {**named, "name": pool}} if pool and isinstance(named, Mapping) else node


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


def server_url() -> str:
    """The API of the Prefect server that this process reports to; raises `PublishError` if there is none."""
    if url := PREFECT_API_URL.value():
        return str(url)
    raise PublishError("no Prefect server is known here: start one by `ridgeline up`, which names it in .env")


def publish(recipes: Iterable[str], api_url: str, version: str | None = None, python: Sequence[str] = PYTHON) -> None:
    """Create or update the deployments of all recipes on the server, and their work pool; raises `PublishError`.

    Their version is the given one, or else that of the code as it stands. `python` begins the command line of
    Prefect's own program: what runs the module that is named next.
    """
    settings, recipes = Settings(), list(recipes)
    _offer_pool(settings, api_url)
    definition = yaml.safe_load(DEFINITION.read_text())
    definition = expand(definition, recipes, version or revision.version(), settings.work_pool)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(yaml.safe_dump(definition, sort_keys=False))
        done = subprocess.run(
            [*python, "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
            cwd=ROOT,
            env=os.environ | {"PREFECT_API_URL": api_url, "PWD": str(ROOT)},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        printed = f"prefect deploy ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        raise PublishError("\n".join(_unusable(recipes)) or printed)


def _unusable(recipes: list[str]) -> Iterator[str]:
    """What is wrong with each recipe that does not load: Prefect would say it at the end of a long transcript."""
    for name in recipes:
        try:
            catalog.load(name)
        except RecipeError as error:
            yield str(error)


def _offer_pool(settings: Settings, api_url: str) -> None:
    """Make the work pool where there is none yet; its worker tells it how runs are started."""
    pool = WorkPoolCreate(name=settings.work_pool, type="process", concurrency_limit=settings.worker_limit)
    try:
        with (
            temporary_settings({PREFECT_API_URL: api_url}),
            get_client(sync_client=True) as client,
            suppress(ObjectAlreadyExists),
        ):
            client.create_work_pool(pool)
    except httpx.HTTPError as error:
        raise PublishError(f"the Prefect server {api_url} cannot be used: {error}; see `ridgeline doctor`") from error
