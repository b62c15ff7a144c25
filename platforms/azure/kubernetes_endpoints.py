"""Endpoints on AKS: two tracks, stable and canary, behind one Service.

`apply` brings stable to an image and stays until every replica serves it; what does not become ready is undone.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Final

from platforms import scoring_settings
from platforms.azure import answering, manifests
from platforms.azure.endpoint_names import EndpointNames
from platforms.azure.kubernetes_objects import (
    AUTOSCALER,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Objects,
)
from platforms.azure.kubernetes_rollout import LOOK_SECONDS, OvertakenError, Rollout
from platforms.azure.kubernetes_tracks import Locate, Tracks, asked_of, handed_to, served_by
from platforms.azure.manifests import Scale
from platforms.azure.settings import AzureSettings
from platforms.azure.templates import Manifest
from platforms.endpoint_keys import digest, ensure_keys
from platforms.errors import NotReadyError, NotStartedError, PlatformError
from platforms.protocols import Secrets
from platforms.values import EndpointSpec, EndpointStatus, Environment

HTTP_PORT: Final = 80


class KubernetesEndpoints:
    """Implements `Endpoints` in one namespace of one cluster."""

    def __init__(
        self, settings: AzureSettings, objects: Objects, namespace: str, secrets: Secrets, locate: Locate
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._namespace = namespace
        self._secrets = secrets
        self._tracks = Tracks(settings, objects, namespace, locate)

    def apply(self, spec: EndpointSpec) -> EndpointStatus:
        """Serve the image on every stable replica, and end the canary of another one.

        Raises `NotReadyError`, `ConflictError` or `PlatformError`.
        """
        live = self._tracks.find(spec.recipe, "stable")
        before = served_by(live, spec.recipe, spec.environment) if live else None
        try:
            url = self._serve(spec)
        except OvertakenError:
            raise
        except NotReadyError as error:
            undone = self._undo(spec, before, handed_to(live) if live else {})
            raise type(error)(f"{spec} {undone}: {error}") from None
        self._tracks.note_served(spec)
        return EndpointStatus.of(spec, url, ready=True)

    def status(self, recipe: str, environment: Environment) -> EndpointStatus | None:
        """What stable served last, or shall serve before its first rollout is complete; None if there is no endpoint.

        It is ready if nothing else was asked for since: after a killed rollout, replicas may serve something else.
        """
        live = self._tracks.find(recipe, "stable")
        return self._status(live, recipe, environment) if live else None

    def _status(self, live: Manifest, recipe: str, environment: Environment) -> EndpointStatus:
        asked, served = asked_of(live, recipe, environment), served_by(live, recipe, environment)
        spec = served or asked
        url = self._url(spec)
        ready = served == asked and live.get("status", {}).get("readyReplicas", 0) > 0
        return EndpointStatus.of(spec, url or "", ready=ready and url is not None)

    def is_applied(self, spec: EndpointSpec) -> bool:
        """Whether stable is ready and as `apply` would leave it."""
        live = self._tracks.find(spec.recipe, "stable")
        if live is None or not self._status(live, spec.recipe, spec.environment).serves(spec):
            return False
        keys = ensure_keys(self._secrets, spec.recipe, spec.environment)
        return self._tracks.has_settings(live, spec) and self._keys(spec.recipe) == digest(keys)

    def withdraw(self, recipe: str, environment: Environment) -> None:
        """Take everything but the log volumes away, and wait until no replica and no load balancer is left."""
        names = EndpointNames.of(recipe)
        sets = [names.set("canary"), names.set("stable")]
        self._objects.delete(AUTOSCALER, self._namespace, names.name)
        for name in sets:
            self._objects.delete(STATEFUL_SET, self._namespace, name)
        self._objects.delete(DISRUPTION_BUDGET, self._namespace, names.name)
        for name in sets:
            self._require_gone(Rollout(self._objects, self._namespace, name, ""))
        after = [(SERVICE, names.name), (SERVICE, names.replicas), (NETWORK_POLICY, names.name), (SECRET, names.keys)]
        for kind, name in after:
            self._objects.delete(kind, self._namespace, name)
        self._await_no_service(recipe)

    def rest(self, recipe: str, environment: Environment) -> bool:
        """An endpoint on a cluster stays."""
        return False

    def try_canary(self, spec: EndpointSpec, replicas: int) -> None:
        """Serve another image beside stable, by so many replicas.

        Raises `NotReadyError` or `PlatformError` when it is gone again, unless it says what is left. Meanwhile the
        autoscaler holds stable at its size, so the canary's share of the connections stays what it is.
        """
        try:
            rollout = self._tracks.apply(spec, "canary", 0)
            self._tracks.resize(spec.recipe, "canary", replicas)
            self._apply_shared(spec)
            rollout.wait(replicas, self._settings.replica_timeout)
        except OvertakenError:
            raise
        except PlatformError as error:
            raise type(error)(f"canary of {spec} {self._take_back(spec)}: {error}") from None

    def end_canary(self, spec: EndpointSpec) -> None:
        """Have no canary, and the autoscaler as it was; no canary is no error."""
        if self._tracks.find(spec.recipe, "canary"):
            self._stop_canary(spec)
        self._apply_shared(spec)

    def _take_back(self, spec: EndpointSpec) -> str:
        """End a canary that failed; says what became of it, and hides no error behind one of its own."""
        try:
            self.end_canary(spec)
        except PlatformError as error:
            return f"failed and may be there still ({error}); end it before the next one"
        return "is gone again"

    def _stop_canary(self, spec: EndpointSpec) -> None:
        self._tracks.resize(spec.recipe, "canary", 0)
        self._require_gone(self._tracks.rollout(spec, "canary"))

    def _require_gone(self, rollout: Rollout) -> None:
        """Return when no pod of a set is left; raises `PlatformError` if some stay."""
        if not rollout.await_gone(self._settings.replica_timeout):
            raise PlatformError(f"{rollout.name} in AKS cluster {self._objects.cluster} does not end: see its pods")

    def _serve(self, spec: EndpointSpec) -> str:
        """Roll out and wait until the address answers; returns it."""
        canary = self._tracks.find(spec.recipe, "canary")
        if canary and canary["spec"]["replicas"] and asked_of(canary, spec.recipe, spec.environment) != spec:
            self._stop_canary(spec)
        self._apply_shared(spec)
        if canary is None:
            self._tracks.apply(spec, "canary", 0)
        rollout = self._tracks.apply(spec, "stable", self._limits(spec).minimum)
        rollout.wait(self._scale(spec).minimum, self._settings.replica_timeout)
        return self._await_answer(spec)

    def _undo(self, spec: EndpointSpec, before: EndpointSpec | None, handed: Mapping[str, str]) -> str:
        """Serve again what was served before; says what became of it, and hides no error behind one of its own."""
        failed = f"did not become ready with {spec.image.name}"
        try:
            if before is None:
                self.withdraw(spec.recipe, spec.environment)
                return f"{failed}, nothing serves"
            rollout = self._tracks.apply(before, "stable", self._limits(before).minimum, handed)
            if (before.image, handed) != (spec.image, scoring_settings.to_hand_on()):
                self._tracks.delete_stuck(spec, "stable")
            rollout.wait(self._scale(before).minimum, self._settings.replica_timeout)
        except PlatformError as error:
            left = f"{before.image.name} did not come back" if before else "it did not end"
            return f"{failed}, and {left} ({error})"
        return f"{failed}, {before.image.name} still serves"

    def _await_no_service(self, recipe: str) -> None:
        """Return when the Service is gone: the cluster takes its load balancer away first."""
        name = EndpointNames.of(recipe).name
        if not self._objects.await_gone(SERVICE, self._namespace, name, self._settings.replica_timeout):
            raise PlatformError(
                f"Service {name} in AKS cluster {self._objects.cluster} does not end: its events in namespace "
                f"{self._namespace} say why its load balancer stays"
            )

    def _apply_shared(self, spec: EndpointSpec) -> None:
        service = self._objects.find(SERVICE, self._namespace, EndpointNames.of(spec.recipe).name)
        if service and "deletionTimestamp" in service["metadata"]:
            self._await_no_service(spec.recipe)  # What is applied to it now would go with it.
        keys = ensure_keys(self._secrets, spec.recipe, spec.environment)
        scale = self._scale(spec)
        handed = scoring_settings.to_hand_on()
        self._objects.apply_all(manifests.shared(spec, self._settings, self._namespace, keys, scale, handed))

    def _keys(self, recipe: str) -> str:
        """Digest of the keys in the cluster, which its nodes give to the replicas without a restart."""
        found = self._objects.find(SECRET, self._namespace, EndpointNames.of(recipe).keys) or {}
        return digest(base64.b64decode(found.get("data", {}).get("keys", "")).decode())

    def _scale(self, spec: EndpointSpec) -> Scale:
        """The autoscaler's limits: what stable has while there is a canary, else those of the endpoint."""
        stable = self._tracks.replicas(spec.recipe, "stable")
        if stable and self._tracks.replicas(spec.recipe, "canary"):
            return Scale(stable, stable)
        return self._limits(spec)

    def _limits(self, spec: EndpointSpec) -> Scale:
        """How many replicas stable may have: prod as the settings say, qa one, as on every platform."""
        if spec.environment == "qa":
            return Scale(1, 1)
        return Scale(self._settings.min_replicas, max(self._settings.min_replicas, self._settings.max_replicas))

    def _await_answer(self, spec: EndpointSpec) -> str:
        """The endpoint's URL, as soon as somebody answers there: a new load balancer takes its time."""
        name = EndpointNames.of(spec.recipe).name
        end = time.monotonic() + self._settings.replica_timeout
        while (url := self._url(spec)) is None or not answering.is_ready(url):
            service = self._objects.find(SERVICE, self._namespace, name)
            if service is None or time.monotonic() > end:
                where = f"does not answer at {url}" if url else "got no address"
                raise NotStartedError(f"its load balancer {where}: see Service {name} in {self._namespace}")
            self._objects.await_change(SERVICE, service, LOOK_SECONDS)
        return url

    def _url(self, spec: EndpointSpec) -> str | None:
        settings = self._settings
        if spec.environment == "prod" and settings.endpoint_url:
            return settings.endpoint_url.format(recipe=spec.recipe).rstrip("/")
        service = self._objects.find(SERVICE, self._namespace, EndpointNames.of(spec.recipe).name)
        ingress = (service or {}).get("status", {}).get("loadBalancer", {}).get("ingress", ())
        host = next((found.get("ip") or found.get("hostname") for found in ingress), None)
        port = "" if settings.endpoint_port == HTTP_PORT else f":{settings.endpoint_port}"
        return f"http://{host}{port}" if host else None
