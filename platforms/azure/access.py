"""Who may do what: the roles of the identities that Ridgeline runs as, each as narrow as its work allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from platforms.azure.resources import Output, Resource, guid
from platforms.azure.settings import AzureSettings

if TYPE_CHECKING:
    from platforms.azure.blueprint import Blueprint

ROLES: Final = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "Azure Container Instances Contributor Role": "5d977122-f97e-4b4d-a52f-6b43003ddb4d",
    "Azure Kubernetes Service Cluster User Role": "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
    "Azure Kubernetes Service RBAC Cluster Admin": "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Container Registry Tasks Contributor": "fb382eab-e894-4461-af04-94435c366c3f",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
}
"""Azure's built-in roles, by the names that people see."""
BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
WRITES: Final = ("write", "add/action", "delete", "move/action")
"""What the role Storage Blob Data Contributor may do with blobs besides reading and listing them."""
LISTS: Final = "SubOperationMatches{'Blob.List'}"
"""Listing is a kind of reading that concerns no blob's path, but the prefix that it asks for."""
SHIPPED: Final = "scoring-logs"
"""Where endpoints store their request logs, `log_shipper.layout.AREA`."""


@dataclass(frozen=True)
class Principal:
    """Somebody who gets roles. `key` is known before the object id is, so it names the assignments."""

    name: str
    key: str
    object_id: Output | str
    kind: str = "ServicePrincipal"


class Access:
    """The role assignments of a blueprint."""

    def __init__(self, blueprint: Blueprint, settings: AzureSettings) -> None:
        self._made, self._settings = blueprint, settings

    def assignments(self) -> Iterator[Resource]:
        """Every assignment, as an extension of the resource that it speaks of."""
        for principal in self._pipeline():
            for scope, role in self._pipeline_roles():
                yield self._assignment(scope, principal, role)
        for principal, scope, role in self._others():
            yield self._assignment(scope, principal, role)
        serving = _identity(self._made.serving)
        yield self._assignment(self._made.storage, serving, "Storage Blob Data Contributor", self._only_logs())

    def _pipeline(self) -> Iterator[Principal]:
        yield _identity(self._made.pipeline)
        if self._settings.operator:
            yield Principal("operator", self._settings.operator, self._settings.operator, "User")

    def _pipeline_roles(self) -> Iterator[tuple[Resource, str]]:
        made = self._made
        yield made.group, "Azure Container Instances Contributor Role"
        yield made.serving, "Managed Identity Operator"
        yield made.storage, "Storage Blob Data Contributor"
        yield made.storage, "Storage Queue Data Contributor"
        yield made.insights, "Monitoring Metrics Publisher"
        yield made.vault, "Key Vault Secrets Officer"
        yield made.registry, "AcrPull"
        yield made.registry, "Container Registry Tasks Contributor"
        yield made.workspace, "AzureML Data Scientist"
        yield made.kubernetes, "Azure Kubernetes Service Cluster User Role"
        yield made.kubernetes, "Azure Kubernetes Service RBAC Cluster Admin"

    def _others(self) -> Iterator[tuple[Principal, Resource, str]]:
        made = self._made
        yield _identity(made.training), made.storage, "Storage Blob Data Contributor"
        for identity in (made.training, made.serving):
            yield _identity(identity), made.registry, "AcrPull"
        kubelet = made.kubernetes.output("properties.identityProfile.kubeletidentity.objectId")
        yield Principal("kubelet", f"{made.kubernetes.id}/kubelet", kubelet), made.registry, "AcrPull"
        workspace = Principal("workspace", made.workspace.id, made.workspace.output("identity.principalId"))
        yield workspace, made.vault, "Key Vault Secrets Officer"

    def _only_logs(self) -> str:
        """The condition that keeps the endpoints, which the internet may reach, from every blob but their logs.

        Conditions reach blobs only: what the role may do with a container, which is to make and delete it, it may.
        """
        read = f"ActionMatches{{'{BLOBS}/read'}}"
        others = " AND ".join(f"!(ActionMatches{{'{BLOBS}/{write}'}})" for write in WRITES)
        container = f"@Resource[{BLOBS.rpartition('/')[0]}:name] StringEquals '{self._settings.container}'"
        path = f"@Resource[{BLOBS}:path] StringLike '{SHIPPED}/*'"
        prefix = f"@Request[{BLOBS}:prefix] StringStartsWith '{SHIPPED}/'"
        blobs = f"((!({read} AND NOT {LISTS}) AND {others}) OR ({container} AND {path}))"
        return f"{blobs} AND ((!({read} AND {LISTS})) OR ({container} AND {prefix}))"

    def _assignment(self, scope: Resource, principal: Principal, role: str, condition: str = "") -> Resource:
        roles = f"/subscriptions/{self._settings.subscription_id}/providers/Microsoft.Authorization/roleDefinitions"
        properties = {
            "roleDefinitionId": f"{roles}/{ROLES[role]}",
            "principalId": principal.object_id,
            "principalType": principal.kind,
        }
        if condition:
            properties |= {"condition": condition, "conditionVersion": "2.0"}
        return Resource(
            "Microsoft.Authorization/roleAssignments",
            guid(scope.id, principal.key, ROLES[role]),
            "2022-04-01",
            scope.id,
            {"properties": properties},
            is_fixed=True,
            title=f"{role}: {principal.name} on {scope.label}",
        )


def _identity(identity: Resource) -> Principal:
    return Principal(identity.name, identity.id, identity.output("properties.principalId"))
