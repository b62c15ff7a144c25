"""The Kubernetes objects of one endpoint, from its spec and the settings."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from platforms.azure.endpoint_names import EndpointNames, Track
from platforms.azure.log_shipper import shipper_environment
from platforms.azure.service_environment import collector, service_environment
from platforms.azure.settings import AzureSettings
from platforms.azure.templates import Manifest, fill
from platforms.values import EndpointSpec

MARGIN_SECONDS: Final = 10
"""What a replica may take to end besides its delay and its drain."""
HTTPS: Final = 443
SERVICE: Final = "scoring"
"""The container of the service, in the templates too."""


@dataclass(frozen=True)
class Scale:
    """Limits of the autoscaler."""

    minimum: int
    maximum: int


def shared(
    spec: EndpointSpec,
    settings: AzureSettings,
    namespace: str,
    keys: str,
    scale: Scale,
    handed: Mapping[str, str],
) -> list[Manifest]:
    """Everything around the replicas, in the order in which it must be applied. `keys` is the content of a secret.

    `handed` are the service's settings that the installation hands on.
    """
    values = {
        **_names(spec, namespace),
        "client_id": settings.serving_client_id,
        "keys": base64.b64encode(keys.encode()).decode(),
        "internal": "true" if settings.load_balancer == "internal" else "false",
        "allowed_ranges": settings.allowed_ranges or None,
        "port": settings.endpoint_port,
        "min_replicas": scale.minimum,
        "max_replicas": scale.maximum,
        "target_cpu": settings.target_cpu,
        "egress_ports": _egress(collector(settings, handed)),
    }
    templates = (
        "namespace",
        "service-account",
        "keys",
        "service",
        "autoscaler",
        "disruption-budget",
        "network-policy",
    )
    return [manifest for name in templates for manifest in fill(name, values)]


def stateful_set(
    spec: EndpointSpec,
    settings: AzureSettings,
    namespace: str,
    track: Track,
    image: str,
    handed: Mapping[str, str],
) -> Manifest:
    """The replicas of a track, their number left open. `image` names the registry's image by its digest.

    `handed` are the service's settings that the installation hands on.
    """
    names = EndpointNames.of(spec.recipe)
    values = {
        **_names(spec, namespace),
        "set": names.set(track),
        "track": track,
        "recipe": spec.recipe,
        "image": image,
        "image_reference": spec.image.reference,
        "model_version": str(spec.model_version),
        "grace_seconds": settings.stop_delay + int(settings.drain_timeout) + MARGIN_SECONDS,
        "stop_delay": settings.stop_delay,
        "service_environment": environment_list(service_environment(spec, settings, handed)),
        "cpu": settings.replica_cpu,
        "memory": settings.replica_memory,
        "log_volume": settings.log_volume,
        "log_storage_class": settings.log_storage_class,
        "shipper_environment": environment_list(shipper_environment(settings)),
    }
    sidecars = fill("log-shipper", values) if settings.ship_logs else None
    return fill("stateful-set", values | {"sidecars": sidecars})[0]


def variables_of(found: Manifest) -> dict[str, str]:
    """The environment of the service in a set that exists."""
    services = [each for each in found["spec"]["template"]["spec"]["containers"] if each["name"] == SERVICE]
    return {each["name"]: each.get("value", "") for service in services for each in service.get("env", ())}


def environment_list(variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Variables as Kubernetes and Container Instances list them."""
    return [{"name": name, "value": value} for name, value in variables.items()]


def _names(spec: EndpointSpec, namespace: str) -> dict[str, object]:
    names = EndpointNames.of(spec.recipe)
    return {
        "namespace": namespace,
        "name": names.name,
        "keys_secret": names.keys,
        "replicas_service": names.replicas,
        "stable_set": names.set("stable"),
    }


def _egress(spans: str) -> list[dict[str, object]]:
    port = urlsplit(spans).port
    ports = sorted({HTTPS} | ({port} if port else set()))
    return [{"port": port, "protocol": "TCP"} for port in ports]
