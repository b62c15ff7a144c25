"""What Azure adds to a resource that is somebody: identities, and who got which role."""

from __future__ import annotations

import uuid
from typing import Final

from starlette.routing import BaseRoute

from tests.emulator.http import CloudError
from tests.emulator.resources import Resource, ResourceType
from tests.emulator.world import World

IDENTITY: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
CLUSTER: Final = "Microsoft.ContainerService/managedClusters"
ASSIGNMENT: Final = "Microsoft.Authorization/roleAssignments"


def routes(world: World) -> list[BaseRoute]:
    """None of its own: all of it is about resources."""
    roles = world.part(Roles)
    world.resources.register(ResourceType(IDENTITY, check=lambda made, old: _identity(world, made, old)))
    world.resources.register(
        ResourceType(CLUSTER, check=lambda made, old: _cluster(world, made, old), long_running=True)
    )
    world.resources.register(ResourceType(ASSIGNMENT, check=roles.assigned, delete=roles.removed))
    return []


class Roles:
    """Every role assignment. Azure takes each of them once, and changes none."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[tuple[str, ...], str] = {}

    def assigned(self, document: Resource, old: Resource | None) -> None:
        self._require_principal(document)
        if old and _meaning(old) != _meaning(document):
            message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise CloudError(400, "RoleAssignmentUpdateNotPermitted", message)
        name = self._known.setdefault(_meaning(document), document["name"])
        if name != document["name"]:
            raise CloudError(409, "RoleAssignmentExists", f"The role assignment already exists. The ID is {name}.")
        document["properties"]["scope"] = document["id"].rsplit("/providers/", 1)[0]

    def removed(self, document: Resource) -> None:
        self._known.pop(_meaning(document), None)

    def _require_principal(self, document: Resource) -> None:
        properties = document["properties"]
        try:
            uuid.UUID(properties["principalId"])
        except ValueError:
            message = f"Principal {properties['principalId']} does not exist in the directory {self._world.tenant}."
            raise CloudError(400, "PrincipalNotFound", message) from None


def _meaning(document: Resource) -> tuple[str, ...]:
    properties = document["properties"]
    scope = document["id"].rsplit("/providers/", 1)[0]
    return scope.lower(), properties["principalId"], properties["roleDefinitionId"].rsplit("/", 1)[1]


def _identity(world: World, document: Resource, old: Resource | None) -> None:
    names = ("principalId", "clientId")
    document["properties"] |= {"tenantId": world.tenant} | _kept(names, (old or {}).get("properties") or {})


def give_identity(world: World, document: Resource, old: Resource | None) -> None:
    """The system-assigned identity of a resource that asks for one."""
    if document.get("identity"):
        kept = _kept(("principalId",), (old or {}).get("identity") or {})
        document["identity"] |= {"tenantId": world.tenant} | kept


def _cluster(world: World, document: Resource, old: Resource | None) -> None:
    """A cluster, its own identity, its nodes' identity, and where its tokens come from."""
    give_identity(world, document, old)
    profile = ((old or {}).get("properties") or {}).get("identityProfile") or {}
    kubelet = _kept(("objectId", "clientId"), profile.get("kubeletidentity") or {})
    document["properties"]["identityProfile"] = {"kubeletidentity": kubelet}
    issuer = f"{world.base_url}/oidc/{document['name']}/"
    if (document["properties"].get("oidcIssuerProfile") or {}).get("enabled"):
        document["properties"]["oidcIssuerProfile"]["issuerURL"] = issuer


def _kept(names: tuple[str, ...], before: Resource) -> dict[str, str]:
    """Values that Azure gives once and keeps."""
    return {name: before.get(name) or str(uuid.uuid4()) for name in names}
