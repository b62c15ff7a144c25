"""What a container group is made of: the service, the log shipper, and volumes for keys and log."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from platforms.azure.endpoint_names import EndpointNames
from platforms.azure.log_shipper import SHIPPER, shipper_environment
from platforms.azure.service_environment import KEYS_FOLDER, PORT, service_environment
from platforms.azure.settings import AzureSettings
from platforms.azure.storage_account import storage_account
from platforms.errors import PlatformError
from platforms.values import EndpointSpec

if TYPE_CHECKING:
    from azure.mgmt.containerinstance.models import Container, ContainerGroup, Volume

SERVICE: Final = "scoring"
LOG_FOLDER: Final = "/var/log/scoring"
SHIPPER_CPU: Final = 0.25
SHIPPER_MEMORY_GB: Final = 0.5
ROOT_USER: Final = 0
HASH_LENGTH: Final = 8


@dataclass(frozen=True)
class GroupParts:
    """What a group is made from. `image` names the registry's image by its digest, `keys` is a secret's content.

    `handed` are the service's settings that the installation hands on.
    """

    spec: EndpointSpec
    image: str
    keys: str
    handed: Mapping[str, str]
    tags: dict[str, str]


def group(parts: GroupParts, settings: AzureSettings) -> ContainerGroup:
    """The whole group, as Azure is asked for it. Keys are in it as secure values only."""
    from azure.mgmt.containerinstance import models

    identity = identity_id(settings)
    containers = [_service(parts, settings), *([_shipper(parts, settings)] if settings.ship_logs else [])]
    return models.ContainerGroup(
        location=settings.location,
        tags=parts.tags,
        os_type="Linux",
        restart_policy="Always",
        identity=models.ContainerGroupIdentity(type="UserAssigned", user_assigned_identities={identity: {}}),
        image_registry_credentials=[
            models.ImageRegistryCredential(server=parts.image.partition("/")[0], identity=identity)
        ],
        ip_address=models.IpAddress(
            type="Public",
            ports=[models.Port(port=PORT, protocol="TCP")],
            dns_name_label=dns_label(parts.spec, settings),
        ),
        containers=containers,
        volumes=_volumes(parts, settings),
    )


def variables_of(found: ContainerGroup) -> dict[str, str]:
    """The environment of the service in a group that exists."""
    services = [each for each in found.containers if each.name == SERVICE]
    return {each.name: each.value or "" for service in services for each in service.environment_variables or ()}


def identity_id(settings: AzureSettings) -> str:
    """Resource id of the identity that pulls the image and ships the log."""
    scope = f"/subscriptions/{settings.subscription_id}/resourceGroups/{settings.resource_group}"
    return f"{scope}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{settings.serving_identity}"


def dns_label(spec: EndpointSpec, settings: AzureSettings) -> str:
    """A name that nobody else takes in the region, at most 63 letters."""
    where = hashlib.sha256(f"{settings.subscription_id}/{settings.resource_group}".encode()).hexdigest()
    suffix = settings.qa_dns_suffix or where[:HASH_LENGTH]
    return f"{EndpointNames.of(spec.recipe).name}-{spec.environment}-{suffix}"


def _service(parts: GroupParts, settings: AzureSettings) -> Container:
    from azure.mgmt.containerinstance import models

    return models.Container(
        name=SERVICE,
        image=parts.image,
        ports=[models.ContainerPort(port=PORT, protocol="TCP")],
        environment_variables=_variables(service_environment(parts.spec, settings, parts.handed)),
        resources=_resources(settings.qa_cpu, settings.qa_memory_gb),
        volume_mounts=[
            models.VolumeMount(name="keys", mount_path=KEYS_FOLDER, read_only=True),
            models.VolumeMount(name="log", mount_path=LOG_FOLDER),
        ],
        readiness_probe=_probe("/health/ready", 2),
        liveness_probe=_probe("/health/live", 10),
        **_user(settings),
    )


def _shipper(parts: GroupParts, settings: AzureSettings) -> Container:
    from azure.mgmt.containerinstance import models

    return models.Container(
        name="log-shipper",
        image=parts.image,
        command=list(SHIPPER),
        environment_variables=_variables(shipper_environment(settings)),
        resources=_resources(SHIPPER_CPU, SHIPPER_MEMORY_GB),
        volume_mounts=[models.VolumeMount(name="log", mount_path=LOG_FOLDER)],
        **_user(settings),
    )


def _volumes(parts: GroupParts, settings: AzureSettings) -> list[Volume]:
    from azure.mgmt.containerinstance import models

    keys = models.Volume(name="keys", secret={"keys": base64.b64encode(parts.keys.encode()).decode()})
    if settings.qa_log_share is None:
        return [keys, models.Volume(name="log", empty_dir={})]
    share = models.AzureFileVolume(
        share_name=settings.qa_log_share,
        storage_account_name=storage_account(settings).name,
        storage_account_key=_account_key(settings),
    )
    return [keys, models.Volume(name="log", azure_file=share)]


def _account_key(settings: AzureSettings) -> str:
    key = storage_account(settings).key
    if not key:
        raise PlatformError(
            "RIDGELINE_AZURE_QA_LOG_SHARE needs the storage account's key, as Azure Files has no other way to be "
            "mounted: set RIDGELINE_AZURE_STORAGE_CONNECTION_STRING or _BLOCK, or take no share"
        )
    return key


def _user(settings: AzureSettings) -> dict[str, Any]:
    """Azure Files are mounted as root's, so only with them the containers do not run as the image's user."""
    from azure.mgmt.containerinstance import models

    if settings.qa_log_share is None:
        return {}
    return {"security_context": models.SecurityContextDefinition(run_as_user=ROOT_USER)}


def _variables(values: dict[str, str]) -> list[Any]:
    from azure.mgmt.containerinstance import models

    return [models.EnvironmentVariable(name=name, value=value) for name, value in values.items()]


def _resources(cpu: float, memory_gb: float) -> Any:  # noqa: ANN401 - the SDK has no types
    from azure.mgmt.containerinstance import models

    return models.ResourceRequirements(requests=models.ResourceRequests(cpu=cpu, memory_in_gb=memory_gb))


def _probe(path: str, seconds: int) -> Any:  # noqa: ANN401 - the SDK has no types
    from azure.mgmt.containerinstance import models

    asked = models.ContainerHttpGet(path=path, port=PORT, scheme="http")
    return models.ContainerProbe(http_get=asked, period_seconds=seconds, timeout_seconds=2, failure_threshold=3)
