"""Endpoints on AKS: two stateful sets, stable and canary, behind one Service.

`apply` brings stable to an image and stays until every replica serves it; what does not become ready is undone. The
number of replicas is nobody's business here: the autoscaler owns that of stable, `try_canary` that of canary.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from platforms.azure import manifests
from platforms.azure.endpoint_names import EndpointNames, Track
from platforms.azure.kubernetes_objects import (
    AUTOSCALER,
    DISRUPTION_BUDGET,
    MANAGER,
    NETWORK_POLICY,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Objects,
)
from platforms.azure.kubernetes_rollout import ANNOTATION, LOOK_SECONDS, OvertakenError, Rollout
from platforms.azure.manifests import Scale
from platforms.azure.settings import AzureSettings
from platforms.azure.templates import Manifest
from platforms.endpoint_keys import ensure_keys, key_secret
from platforms.protocols import (
    EndpointSpec,
    EndpointStatus,
    Environment,
    Image,
    NotReadyError,
    PlatformError,
    Secrets,
)

REPLICAS_MANAGER: Final = "ridgeline-replicas"
SERVED_MANAGER: Final = "ridgeline-served"
SERVED: Final = f"{ANNOTATION}served"
"""`<model version> <image reference>` of the last rollout that was completed."""
Locate = Callable[[Image], str]
"""The name under which the registry has an image, ending in its digest."""


class KubernetesEndpoints:
    """Implements `Endpoints` in one namespace of one cluster."""

    def __init__(
        self, settings: AzureSettings, objects: Objects, namespace: str, secrets: Secrets, locate: Locate
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._namespace = namespace
        self._secrets = secrets
        self._locate = locate

    def apply(self, spec: EndpointSpec) -> EndpointStatus:
        """Serve the image on every stable replica; raises `NotReadyError`, `ConflictError` or `PlatformError`."""
        before = self._served(spec.recipe, spec.environment)
        self._apply_shared(spec)
        if self._find_set(spec.recipe, "canary") is None:
            self._apply_set(spec, "canary", 0)
        self._apply_set(spec, "stable", self._settings.min_replicas)
        rollout = self._rollout(spec, "stable")
        try:
            rollout.wait(self._minimum(spec), self._settings.replica_timeout)
        except OvertakenError:
            raise
        except NotReadyError as error:
            raise NotReadyError(f"{_shown(spec)} {self._undo(spec, before)}: {error}") from None
        self._annotate_served(spec)
        return self._status(spec, self._address(spec), ready=True)

    def status(self, recipe: str, environment: Environment) -> EndpointStatus | None:
        """What stable serves, or shall serve before its first rollout is complete; None if there is no endpoint."""
        live = self._find_set(recipe, "stable")
        if live is None:
            return None
        spec = self._served_by(live, recipe, environment) or _asked_of(live, recipe, environment)
        url = self._url(spec)
        ready = live.get("status", {}).get("readyReplicas", 0) > 0
        return self._status(spec, url or "", ready=ready and url is not None)

    def withdraw(self, recipe: str, environment: Environment) -> None:
        """Take everything but the log volumes away, and wait until no replica is left."""
        names = EndpointNames.of(recipe)
        gone = [
            (AUTOSCALER, names.name),
            (STATEFUL_SET, names.set("canary")),
            (STATEFUL_SET, names.set("stable")),
            (DISRUPTION_BUDGET, names.name),
        ]
        after = [(SERVICE, names.name), (SERVICE, names.replicas), (NETWORK_POLICY, names.name), (SECRET, names.keys)]
        for kind, name in gone:
            self._objects.delete(kind, self._namespace, name)
        tracks: tuple[Track, ...] = ("canary", "stable")
        for track in tracks:
            rollout = Rollout(self._objects, self._namespace, names.set(track), "")
            if not rollout.await_gone(self._settings.replica_timeout):
                raise PlatformError(
                    f"{rollout.name} in AKS cluster {self._objects.cluster} does not end: see its pods"
                )
        for kind, name in after:
            self._objects.delete(kind, self._namespace, name)

    def rest(self, recipe: str, environment: Environment) -> bool:
        """An endpoint on a cluster stays."""
        return False

    def try_canary(self, spec: EndpointSpec, replicas: int) -> None:
        """Serve another image beside stable, by so many replicas; raises `NotReadyError` when it is gone again.

        Meanwhile the autoscaler holds stable at its size, so the canary's share of the connections stays what it is.
        """
        self._apply_set(spec, "canary", 0)
        self._set_replicas(EndpointNames.of(spec.recipe).set("canary"), replicas)
        self._apply_shared(spec)
        rollout = self._rollout(spec, "canary")
        try:
            rollout.wait(replicas, self._settings.replica_timeout)
        except NotReadyError as error:
            self.end_canary(spec)
            raise NotReadyError(f"canary of {_shown(spec)} is gone again: {error}") from None

    def end_canary(self, spec: EndpointSpec) -> None:
        """Have no canary, and the autoscaler as it was; no canary is no error."""
        name = EndpointNames.of(spec.recipe).set("canary")
        if self._find_set(spec.recipe, "canary"):
            self._set_replicas(name, 0)
            self._rollout(spec, "canary").await_gone(self._settings.replica_timeout)
        self._apply_shared(spec)

    def _apply_shared(self, spec: EndpointSpec) -> None:
        keys = ensure_keys(self._secrets, spec.recipe, spec.environment)
        scale = self._scale(spec)
        self._objects.apply_all(manifests.shared(spec, self._settings, self._namespace, keys, scale))

    def _apply_set(self, spec: EndpointSpec, track: Track, replicas: int) -> None:
        """Apply a track's set; `replicas` is what it begins with."""
        live = self._find_set(spec.recipe, track)
        image = self._locate(spec.image)
        manifest = manifests.stateful_set(spec, self._settings, self._namespace, track, image)
        name = manifest["metadata"]["name"]
        if live is None:
            self._objects.apply(manifest | {"spec": manifest["spec"] | {"replicas": replicas}})
            self._set_replicas(name, replicas)
            return
        if _owns_replicas(live):
            # An earlier apply was killed before it handed the number over; without it the set would fall back to 1.
            self._set_replicas(name, live["spec"]["replicas"])
        self._objects.apply(manifest)

    def _set_replicas(self, name: str, replicas: int) -> None:
        identity = {"apiVersion": STATEFUL_SET.api, "kind": STATEFUL_SET.name}
        metadata = {"name": name, "namespace": self._namespace}
        self._objects.apply(identity | {"metadata": metadata, "spec": {"replicas": replicas}}, REPLICAS_MANAGER)

    def _scale(self, spec: EndpointSpec) -> Scale:
        canary, stable = (self._find_set(spec.recipe, track) for track in ("canary", "stable"))
        if canary and stable and canary["spec"]["replicas"]:
            return Scale(stable["spec"]["replicas"], stable["spec"]["replicas"])
        return Scale(self._settings.min_replicas, max(self._settings.min_replicas, self._settings.max_replicas))

    def _minimum(self, spec: EndpointSpec) -> int:
        return self._scale(spec).minimum

    def _undo(self, spec: EndpointSpec, before: EndpointSpec | None) -> str:
        """Serve again what was served before; says what became of it."""
        if before is None:
            self.withdraw(spec.recipe, spec.environment)
            return f"did not become ready with {spec.image.name}, nothing serves"
        self._apply_set(before, "stable", self._settings.min_replicas)
        rollout = self._rollout(before, "stable")
        if before.image != spec.image:
            rollout.delete_stuck(self._locate(spec.image))
        try:
            rollout.wait(self._minimum(before), self._settings.replica_timeout)
        except NotReadyError as error:
            return f"did not become ready with {spec.image.name}, and {before.image.name} did not come back ({error})"
        self._annotate_served(before)
        return f"did not become ready with {spec.image.name}, {before.image.name} still serves"

    def _rollout(self, spec: EndpointSpec, track: Track) -> Rollout:
        name = EndpointNames.of(spec.recipe).set(track)
        return Rollout(self._objects, self._namespace, name, spec.image.reference)

    def _find_set(self, recipe: str, track: Track) -> Manifest | None:
        return self._objects.find(STATEFUL_SET, self._namespace, EndpointNames.of(recipe).set(track))

    def _served(self, recipe: str, environment: Environment) -> EndpointSpec | None:
        live = self._find_set(recipe, "stable")
        return self._served_by(live, recipe, environment) if live else None

    @staticmethod
    def _served_by(live: Manifest, recipe: str, environment: Environment) -> EndpointSpec | None:
        version, _, image = live["metadata"]["annotations"].get(SERVED, "").partition(" ")
        return EndpointSpec(recipe, environment, Image.parse(image), int(version)) if image else None

    def _annotate_served(self, spec: EndpointSpec) -> None:
        name = EndpointNames.of(spec.recipe).set("stable")
        served = {SERVED: f"{spec.model_version} {spec.image.reference}"}
        change = {"metadata": {"annotations": served}}
        self._objects.patch(STATEFUL_SET, self._namespace, name, change, SERVED_MANAGER)

    def _address(self, spec: EndpointSpec) -> str:
        """The endpoint's URL, as soon as the load balancer has an address; raises `NotReadyError`."""
        end = time.monotonic() + self._settings.replica_timeout
        while (url := self._url(spec)) is None:
            service = self._objects.find(SERVICE, self._namespace, EndpointNames.of(spec.recipe).name)
            if service is None or time.monotonic() > end:
                raise NotReadyError(
                    f"{_shown(spec)} got no address: see the events of its Service in {self._namespace}"
                )
            self._objects.await_change(SERVICE, service, LOOK_SECONDS)
        return url

    def _url(self, spec: EndpointSpec) -> str | None:
        settings = self._settings
        if spec.environment == "prod" and settings.endpoint_url:
            return settings.endpoint_url.format(recipe=spec.recipe).rstrip("/")
        service = self._objects.find(SERVICE, self._namespace, EndpointNames.of(spec.recipe).name)
        ingress = (service or {}).get("status", {}).get("loadBalancer", {}).get("ingress", ())
        host = next((found.get("ip") or found.get("hostname") for found in ingress), None)
        port = "" if settings.endpoint_port == 80 else f":{settings.endpoint_port}"
        return f"http://{host}{port}" if host else None

    @staticmethod
    def _status(spec: EndpointSpec, url: str, *, ready: bool) -> EndpointStatus:
        return EndpointStatus(
            recipe=spec.recipe,
            environment=spec.environment,
            url=url,
            model_version=spec.model_version,
            image=spec.image,
            ready=ready,
            key_secret=key_secret(spec.recipe, spec.environment),
        )


def _asked_of(live: Manifest, recipe: str, environment: Environment) -> EndpointSpec:
    asked = live["metadata"]["annotations"]
    image = Image.parse(asked[f"{ANNOTATION}image"])
    return EndpointSpec(recipe, environment, image, int(asked[f"{ANNOTATION}model-version"]))


def _owns_replicas(live: Manifest) -> bool:
    entries = live["metadata"].get("managedFields", ())
    mine = [entry for entry in entries if entry["manager"] == MANAGER and entry["operation"] == "Apply"]
    return any("f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {}) for entry in mine)


def _shown(spec: EndpointSpec) -> str:
    return f"{spec.environment} endpoint of {spec.recipe}"
