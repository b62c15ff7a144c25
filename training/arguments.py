"""What the job is asked to do."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipes.recipe import Parameter, Recipe
from training.errors import UsageError

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Arguments:
    """The command line; `parameters` and `code` are the `NAME=VALUE` texts as given."""

    recipe: str
    dataset_version: int
    out: Path
    table: str
    parameters: tuple[str, ...]
    code: tuple[str, ...]


def read(argv: Sequence[str]) -> Arguments:
    """Parse the command line; exits with 2 and a usage line if it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m training", description="Train a recipe on a dataset version.")
    add = parser.add_argument
    add("--recipe", required=True, help="name of a folder in recipes/")
    add("--dataset-version", required=True, type=int, metavar="N", help="version of the recipe's table")
    add("--out", required=True, type=Path, metavar="DIR", help="folder for the outputs; result.json is written last")
    add("--param", action="append", default=[], metavar="NAME=VALUE", help="repeat for each parameter")
    add("--code", action="append", default=[], metavar="NAME=VALUE", help="what the code is; noted in the result")
    add("--table", metavar="URI", help="Delta table; default $RIDGELINE_STATE/tables/<recipe>")
    found = parser.parse_args(argv)
    state = os.environ.get("RIDGELINE_STATE") or ".ridgeline/state"
    table = found.table or str(Path(state, "tables", found.recipe))
    return Arguments(found.recipe, found.dataset_version, found.out, table, tuple(found.param), tuple(found.code))


def parameters(recipe: Recipe, texts: Sequence[str]) -> Mapping[str, Parameter]:
    """The recipe's defaults, with the given `NAME=VALUE` texts in the defaults' types.

    Raises:
        UsageError: A name is unknown, or a value is not of the default's type.
    """
    given: dict[str, Parameter] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or name not in recipe.parameters:
            raise UsageError(f"--param {text}: recipe {recipe.name!r} takes {_known(recipe)}")
        given[name] = _value(text, value, recipe.parameters[name])
    return {**recipe.parameters, **given}


def _known(recipe: Recipe) -> str:
    known = [f"{name}=<{type(value).__name__}>" for name, value in recipe.parameters.items()]
    return ", ".join(known) or "no parameter"


def _value(text: str, value: str, default: Parameter) -> Parameter:
    try:
        return _convert(value, default)
    except (ValueError, KeyError):
        raise UsageError(f"--param {text}: {value!r} is no {type(default).__name__}") from None


def _convert(value: str, default: Parameter) -> Parameter:
    if isinstance(default, bool):
        return _TRUTH[value.lower()]
    if isinstance(default, float) and not math.isfinite(float(value)):
        raise ValueError(value)
    return type(default)(value)
