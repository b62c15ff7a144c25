"""Nothing has to exist before the local platform runs: it makes what it needs below its state folder."""

from __future__ import annotations

from collections.abc import Mapping

from platforms.errors import NotFoundError
from platforms.values import Change


class NoInfrastructure:
    """The infrastructure port where there is none."""

    name = ""

    def plan(self) -> list[Change]:
        """An empty plan."""
        return []

    def apply(self, resource: str) -> Change:
        """Raises `NotFoundError`: no plan names a resource."""
        raise NotFoundError(f"the local platform has no resource {resource}: it has nothing to create")

    def chosen(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def destroy(self) -> None:
        """Nothing to do: `ridgeline down`, and delete the state folder."""
