"""The endpoints port of the local platform: wishes are written, the supervisor fulfils them."""

from __future__ import annotations

import time
from typing import Final

from platforms.endpoint_keys import ensure_keys
from platforms.errors import NotReadyError, NotStartedError, PlatformError
from platforms.local.endpoint_files import Desired, EndpointFiles, Observed
from platforms.local.wishes import FAILED, Wishes
from platforms.protocols import Secrets
from platforms.settings import Settings
from platforms.values import EndpointSpec, EndpointStatus, Environment

POLL_SECONDS: Final = 0.05
MARGIN_SECONDS: Final = 10.0
"""What an apply may take besides starting and draining."""


class LocalEndpoints:
    """Implements `Endpoints`."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets
        self._files = EndpointFiles(settings)
        self._wishes = Wishes(settings)

    def apply(self, spec: EndpointSpec) -> EndpointStatus:
        """Wish, and wait until it is fulfilled; raises `NotReadyError`, or `PlatformError` without a supervisor.

        Raises `NotStartedError` if the image never ran, or if somebody else made another wish meanwhile.
        """
        self._require_supervisor(spec)
        ensure_keys(self._secrets, spec.recipe, spec.environment)
        desired = self._wishes.wish(spec)
        observed = self._await(desired)
        if observed.state in FAILED:
            self._take_back(desired, observed)
            kind = NotReadyError if observed.state == "failed" else NotStartedError
            raise kind(self._failure(desired, observed))
        return self._status(desired, observed.served or spec, ready=True)

    def status(self, recipe: str, environment: Environment) -> EndpointStatus | None:
        """What the endpoint serves now, or shall serve while it is not ready; None if it serves nothing."""
        desired = self._files.desired(recipe, environment)
        if desired is None:
            return None
        observed = self._files.observed(recipe, environment) if self._files.supervised() else None
        if observed is None or observed.served is None:
            return self._status(desired, desired.spec, ready=False)
        return self._status(desired, observed.served, ready=observed.replicas > 0)

    def is_applied(self, spec: EndpointSpec) -> bool:
        """Whether the endpoint is ready with this image; its settings are those that the supervisor began with."""
        status = self.status(spec.recipe, spec.environment)
        return status is not None and status.serves(spec)

    def withdraw(self, recipe: str, environment: Environment) -> None:
        """Stop serving and wait until nothing does."""
        self._files.unwant(recipe, environment)
        end = time.monotonic() + self._settings.ready_timeout + self._settings.drain_timeout + MARGIN_SECONDS
        while self._files.observed(recipe, environment) and self._files.supervised():
            if time.monotonic() > end:
                raise PlatformError(f"{environment} endpoint of {recipe} does not stop: see `ridgeline status`")
            time.sleep(POLL_SECONDS)

    def rest(self, recipe: str, environment: Environment) -> bool:
        """An idle replica costs nothing here, so everything stays."""
        return False

    def _take_back(self, desired: Desired, observed: Observed) -> None:
        """Wish for what still serves, so that a restart does not try the failed image again."""
        spec = desired.spec
        if self._files.desired(spec.recipe, spec.environment) != desired:
            return
        if observed.served is None:
            self._files.unwant(spec.recipe, spec.environment)
        else:
            self._files.want(observed.served, desired.port)

    def _await(self, desired: Desired) -> Observed:
        settings, spec = self._settings, desired.spec
        end = time.monotonic() + 2 * settings.ready_timeout + settings.drain_timeout + MARGIN_SECONDS
        while time.monotonic() < end:
            observed = self._files.observed(spec.recipe, spec.environment)
            if observed and observed.generation == desired.generation and observed.state != "starting":
                return observed
            if self._files.desired(spec.recipe, spec.environment) != desired:
                raise NotStartedError(f"{spec} was given something else to serve meanwhile: apply again")
            self._require_supervisor(spec)
            time.sleep(POLL_SECONDS)
        raise NotReadyError(f"{spec} did not answer {spec.image.name} in time: see `ridgeline status`")

    def _require_supervisor(self, spec: EndpointSpec) -> None:
        if not self._files.supervised():
            raise PlatformError(f"{spec} has no supervisor in {self._files.folder}: start it by `ridgeline up`")

    def _failure(self, desired: Desired, observed: Observed) -> str:
        served = observed.served
        still = f"{served.image.name} still serves" if served else "nothing serves"
        return f"{desired.spec} is not ready with {desired.spec.image.name}, {still}: {observed.message}"

    def _status(self, desired: Desired, spec: EndpointSpec, *, ready: bool) -> EndpointStatus:
        return EndpointStatus.of(spec, self._settings.url(desired.port), ready=ready)
