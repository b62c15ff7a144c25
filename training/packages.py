"""The installed packages that a model needs, by what is imported from them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions, version


def modules(types: Iterable[str]) -> set[str]:
    """The top-level modules of types that are named in full, without those of Python itself."""
    return {name.partition(".")[0] for name in types} - sys.stdlib_module_names


def homeless(names: Iterable[str]) -> list[str]:
    """The modules that no installed package brings along."""
    return sorted(name for name in names if name not in _distributions())


def pinned(names: Iterable[str]) -> tuple[str, ...]:
    """The packages of these modules as `name==version`, sorted; of several the one that is named like the module."""
    found = _distributions()
    chosen = {name if name in found[name] else found[name][0] for name in names if name in found}
    return tuple(f"{name}=={version(name)}" for name in sorted(chosen))


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()
