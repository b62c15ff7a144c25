"""Exact versions of packages and of everything they need, as they are installed here from the lock."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def pins(names: Iterable[str]) -> list[str]:
    """`name==version` for each package and all that it requires, ordered by name."""
    return [f"{name}=={version(name)}" for name in sorted(with_dependencies(names))]


def with_dependencies(names: Iterable[str]) -> set[str]:
    """The packages and all that they require here, by canonical name."""
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = canonicalize_name(queue.pop())
        if name in found:
            continue
        found.add(name)
        wanted = (Requirement(line) for line in requires(name) or ())
        queue += [need.name for need in wanted if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found
