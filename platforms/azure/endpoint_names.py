"""What the parts of an endpoint are called on Kubernetes and Container Instances."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, Self

from platforms.errors import PlatformError

Track = Literal["stable", "canary"]
LONGEST: Final = 37
"""Letters of a recipe's name that leave room for what Kubernetes adds to the names of pods."""
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True)
class EndpointNames:
    """The names of one recipe's objects; `name` is also the value of the label that selects all of them."""

    name: str

    @classmethod
    def of(cls, recipe: str) -> Self:
        """The names for a recipe; raises `PlatformError` if Kubernetes could not take them."""
        slug = recipe.replace("_", "-")
        if not _NAME.fullmatch(slug) or len(slug) > LONGEST:
            raise PlatformError(
                f"recipe {recipe!r} cannot name an endpoint on Azure: use at most {LONGEST} small letters, digits "
                "and '_', and begin and end with a letter or digit"
            )
        return cls(f"scoring-{slug}")

    def set(self, track: Track) -> str:
        """The stateful set of a track."""
        return f"{self.name}-{track}"

    @property
    def keys(self) -> str:
        """The secret with the API keys."""
        return f"{self.name}-keys"

    @property
    def replicas(self) -> str:
        """The Service that gives each replica a name."""
        return f"{self.name}-replicas"
