"""The two tracks of an endpoint on a cluster, stable and canary: a stateful set each, whose size is not ours.

An apply must not touch the number of replicas, which the autoscaler changes under load. But a set that is created
without one begins with 1, and a manifest that once named it may not just leave it out: what nobody owns falls back
to 1. So a set is created with its number, which is handed over to a manager of its own at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from platforms import scoring_settings
from platforms.azure import manifests
from platforms.azure.endpoint_names import EndpointNames, Track
from platforms.azure.kubernetes_objects import MANAGER, STATEFUL_SET, Objects
from platforms.azure.kubernetes_rollout import ANNOTATION, Rollout
from platforms.azure.service_environment import service_environment
from platforms.azure.settings import AzureSettings
from platforms.azure.templates import Manifest
from platforms.values import EndpointSpec, Environment, Image

REPLICAS_MANAGER: Final = "ridgeline-replicas"
SERVED_MANAGER: Final = "ridgeline-served"
SERVED: Final = f"{ANNOTATION}served"
"""`<model version> <image reference>` of the last rollout that was completed."""
Locate = Callable[[Image], str]
"""The name under which the registry has an image, ending in its digest."""


class Tracks:
    """The stateful sets of one namespace."""

    def __init__(self, settings: AzureSettings, objects: Objects, namespace: str, locate: Locate) -> None:
        self._settings = settings
        self._objects = objects
        self._namespace = namespace
        self._locate = locate

    def find(self, recipe: str, track: Track) -> Manifest | None:
        """The set, None if there is none."""
        return self._objects.find(STATEFUL_SET, self._namespace, EndpointNames.of(recipe).set(track))

    def replicas(self, recipe: str, track: Track) -> int:
        """How many replicas a track shall have; 0 if there is no set."""
        live = self.find(recipe, track)
        return int(live["spec"]["replicas"]) if live else 0

    def apply(
        self, spec: EndpointSpec, track: Track, replicas: int, handed: Mapping[str, str] | None = None
    ) -> Rollout:
        """Let a track run an image; `replicas` is what a new set begins with. The rollout is for waiting.

        `handed` are settings of the service that it had before, unless it shall have what is to be handed on now.
        """
        live = self.find(spec.recipe, track)
        image, given = self._locate(spec.image), scoring_settings.to_hand_on() if handed is None else handed
        manifest = manifests.stateful_set(spec, self._settings, self._namespace, track, image, given)
        if live is None:
            self._objects.apply(manifest | {"spec": manifest["spec"] | {"replicas": replicas}})
            self.resize(spec.recipe, track, replicas)
        else:
            if _owns_replicas(live):
                # An earlier apply was killed before it handed the number over.
                self.resize(spec.recipe, track, live["spec"]["replicas"])
            self._objects.apply(manifest)
        return self.rollout(spec, track)

    def resize(self, recipe: str, track: Track, replicas: int) -> None:
        """Set the number of replicas; that of stable is the autoscaler's."""
        metadata = {"name": EndpointNames.of(recipe).set(track), "namespace": self._namespace}
        identity = {"apiVersion": STATEFUL_SET.api, "kind": STATEFUL_SET.name, "metadata": metadata}
        self._objects.apply(identity | {"spec": {"replicas": replicas}}, REPLICAS_MANAGER)

    def rollout(self, spec: EndpointSpec, track: Track) -> Rollout:
        """The replicas of a track, which shall run the spec's image."""
        name = EndpointNames.of(spec.recipe).set(track)
        return Rollout(self._objects, self._namespace, name, spec.image.reference, self._settings.pull_timeout)

    def has_settings(self, live: Manifest, spec: EndpointSpec) -> bool:
        """Whether the service in a set has the settings that an apply would give it now."""
        wanted = service_environment(spec, self._settings, scoring_settings.to_hand_on())
        return scoring_settings.same(manifests.variables_of(live), wanted)

    def delete_stuck(self, spec: EndpointSpec, track: Track) -> None:
        """Delete the pods that cannot run an image."""
        self.rollout(spec, track).delete_stuck(self._locate(spec.image))

    def note_served(self, spec: EndpointSpec) -> None:
        """Write down that stable runs this."""
        name = EndpointNames.of(spec.recipe).set("stable")
        change = {"metadata": {"annotations": {SERVED: f"{spec.model_version} {spec.image.reference}"}}}
        self._objects.patch(STATEFUL_SET, self._namespace, name, change, SERVED_MANAGER)


def served_by(live: Manifest, recipe: str, environment: Environment) -> EndpointSpec | None:
    """What a set's last complete rollout brought, None before the first."""
    version, _, image = live["metadata"]["annotations"].get(SERVED, "").partition(" ")
    return EndpointSpec(recipe, environment, Image.parse(image), int(version)) if image else None


def asked_of(live: Manifest, recipe: str, environment: Environment) -> EndpointSpec:
    """What a set shall run."""
    asked = live["metadata"]["annotations"]
    image = Image.parse(asked[f"{ANNOTATION}image"])
    return EndpointSpec(recipe, environment, image, int(asked[f"{ANNOTATION}model-version"]))


def handed_to(live: Manifest) -> dict[str, str]:
    """The settings of the service that a set was handed."""
    return scoring_settings.handed_on(manifests.variables_of(live))


def _owns_replicas(live: Manifest) -> bool:
    entries = live["metadata"].get("managedFields", ())
    mine = [entry for entry in entries if entry["manager"] == MANAGER and entry["operation"] == "Apply"]
    return any("f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {}) for entry in mine)
