"""What endpoints shall serve: the wishes that flows and the journal make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from platforms.local.endpoint_files import Desired, EndpointFiles
from platforms.local.endpoint_ports import EndpointPorts
from platforms.settings import Settings
from platforms.values import EndpointSpec

FAILED: Final = ("failed", "unstarted")
"""States of a wish that will not be fulfilled."""


class Wishes:
    """Makes wishes in one state folder."""

    def __init__(self, settings: Settings) -> None:
        self._files = EndpointFiles(settings)
        self._ports = EndpointPorts(settings)

    def wish(self, spec: EndpointSpec) -> Desired:
        """The wish for this spec: the one that stands, unless it differs or has failed."""
        port = self._ports.allocate(spec.recipe, spec.environment)
        desired = self._files.desired(spec.recipe, spec.environment)
        if desired is None or (desired.spec, desired.port) != (spec, port):
            return self._files.want(spec, port)
        observed = self._files.observed(spec.recipe, spec.environment)
        failed = observed and observed.generation == desired.generation and observed.state in FAILED
        return self._files.want(spec, port) if failed else desired

    def restore(self, specs: Iterable[EndpointSpec]) -> None:
        """Wish for exactly these endpoints, whatever was wished before."""
        wanted = {self._files.desired_file(spec.recipe, spec.environment): spec for spec in specs}
        for file in self._files.desired_files():
            if file not in wanted:
                file.unlink(missing_ok=True)
        for spec in wanted.values():
            self.wish(spec)
