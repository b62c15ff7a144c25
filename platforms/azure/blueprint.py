"""Everything that Ridgeline needs in a subscription, in the order in which it can be made.

`deployments/azure/` holds the same as a Bicep template; a test keeps the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from platforms.azure.access import Access
from platforms.azure.events import BLOB_CREATED, MODEL_REGISTERED
from platforms.azure.resources import GROUP, Body, Initially, Resource
from platforms.azure.settings import AzureSettings

PIPELINE: Final = "ridgeline-pipeline"
TRAINING: Final = "ridgeline-training"
SERVICE_ACCOUNT: Final = "scoring"
POISON: Final = "-poison"
MESSAGE_SECONDS: Final = 7 * 24 * 3600
"""How long a message waits for a listener."""


class Blueprint:
    """The resources that the settings ask for; nothing here talks to Azure."""

    def __init__(self, settings: AzureSettings) -> None:
        self._settings = settings
        self.group = Resource(
            GROUP, settings.resource_group, "2024-11-01", f"/subscriptions/{settings.subscription_id}", self._here()
        )
        self.pipeline = self._identity(PIPELINE)
        self.training = self._identity(TRAINING)
        self.serving = self._identity(settings.serving_identity)
        self.storage = self._storage()
        self.logs = self._logs()
        self.insights = self._insights()
        self.vault = self._vault()
        self.registry = self._registry()
        self.workspace = self._workspace()
        self.cluster = self._cluster()
        self.kubernetes = self._kubernetes()

    def resources(self) -> Iterator[Resource]:
        """Every resource; what one refers to comes before it."""
        yield from (self.group, self.pipeline, self.training, self.serving, self.storage)
        yield from self._in_storage()
        yield from (self.logs, self.insights, self.vault, self.registry, self.workspace)
        yield from (self.cluster, self.kubernetes)
        yield from self._federations()
        yield from Access(self, self._settings).assignments()
        yield from self._subscriptions()

    def _of_group(self, kind: str, name: str, version: str, body: Body) -> Resource:
        return Resource(kind, name, version, self.group.id, body)

    def _here(self) -> Body:
        return {"location": self._settings.location}

    def _identity(self, name: str) -> Resource:
        return self._of_group("Microsoft.ManagedIdentity/userAssignedIdentities", name, "2023-01-31", self._here())

    def _storage(self) -> Resource:
        properties = {
            "accessTier": "Hot",
            "allowBlobPublicAccess": False,
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
        }
        body = {**self._here(), "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties}
        return self._of_group("Microsoft.Storage/storageAccounts", self._settings.storage_account, "2023-05-01", body)

    def _in_storage(self) -> Iterator[Resource]:
        account, container, queue = self._settings.storage_account, self._settings.container, self._settings.queue
        parts: list[tuple[str, str, Body]] = [
            ("blobServices", "default", {}),
            ("blobServices/containers", f"default/{container}", {"properties": {"publicAccess": "None"}}),
            ("queueServices", "default", {}),
            ("queueServices/queues", f"default/{queue}", {}),
            ("queueServices/queues", f"default/{queue}{POISON}", {}),
            ("managementPolicies", "default", {"properties": {"policy": {"rules": [self._log_rule()]}}}),
        ]
        if share := self._settings.qa_log_share:
            parts += [("fileServices", "default", {}), ("fileServices/shares", f"default/{share}", {})]
        for kind, name, body in parts:
            yield self._of_group(f"Microsoft.Storage/storageAccounts/{kind}", f"{account}/{name}", "2023-05-01", body)

    def _log_rule(self) -> Body:
        ages = {
            "tierToCool": {"daysAfterModificationGreaterThan": 30},
            "delete": {"daysAfterModificationGreaterThan": self._settings.log_days},
        }
        filters = {"blobTypes": ["blockBlob"], "prefixMatch": [f"{self._settings.container}/logs/"]}
        definition = {"actions": {"baseBlob": ages}, "filters": filters}
        return {"name": "logs", "enabled": True, "type": "Lifecycle", "definition": definition}

    def _logs(self) -> Resource:
        body = {**self._here(), "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}}
        return self._of_group("Microsoft.OperationalInsights/workspaces", "ridgeline", "2023-09-01", body)

    def _insights(self) -> Resource:
        properties = {"Application_Type": "web", "WorkspaceResourceId": self.logs.id}
        body = {**self._here(), "kind": "web", "properties": properties}
        return self._of_group("Microsoft.Insights/components", "ridgeline", "2020-02-02", body)

    def _vault(self) -> Resource:
        properties = {
            "tenantId": self._settings.tenant_id,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
            "enableSoftDelete": True,
        }
        name = str(urlsplit(self._settings.key_vault or "").hostname).partition(".")[0]
        return self._of_group(
            "Microsoft.KeyVault/vaults", name, "2023-07-01", {**self._here(), "properties": properties}
        )

    def _registry(self) -> Resource:
        body = {**self._here(), "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": False}}
        return self._of_group("Microsoft.ContainerRegistry/registries", self._settings.registry, "2023-07-01", body)

    def _workspace(self) -> Resource:
        properties = {
            "storageAccount": self.storage.id,
            "keyVault": self.vault.id,
            "applicationInsights": self.insights.id,
            "containerRegistry": self.registry.id,
        }
        body = {
            **self._here(),
            "kind": "Default",
            "sku": {"name": "Basic", "tier": "Basic"},
            "identity": {"type": "SystemAssigned"},
            "properties": properties,
        }
        return self._of_group(
            "Microsoft.MachineLearningServices/workspaces", self._settings.workspace, "2024-04-01", body
        )

    def _cluster(self) -> Resource:
        settings = self._settings
        scale = {
            "minNodeCount": 0,
            "maxNodeCount": settings.max_nodes,
            "nodeIdleTimeBeforeScaleDown": f"PT{settings.idle_seconds}S",
        }
        machines = {
            "vmSize": settings.node_size,
            "vmPriority": {"low_priority": "LowPriority", "dedicated": "Dedicated"}[settings.vm_priority],
            "scaleSettings": scale,
            "remoteLoginPortPublicAccess": "Disabled",
        }
        identity = {"type": "UserAssigned", "userAssignedIdentities": {self.training.id: {}}}
        body = {
            **self._here(),
            "identity": identity,
            "properties": {"computeType": "AmlCompute", "properties": machines},
        }
        return self._of_group(
            "Microsoft.MachineLearningServices/workspaces/computes",
            f"{settings.workspace}/{settings.cluster}",
            "2024-04-01",
            body,
        )

    def _kubernetes(self) -> Resource:
        settings = self._settings
        pool = {
            "name": "system",
            "mode": "System",
            "type": "VirtualMachineScaleSets",
            "osType": "Linux",
            "vmSize": settings.kubernetes_vm_size,
            "enableAutoScaling": True,
            "minCount": settings.kubernetes_min_nodes,
            "maxCount": settings.kubernetes_max_nodes,
            "count": Initially(settings.kubernetes_min_nodes),
        }
        network = {
            "networkPlugin": "azure",
            "networkPluginMode": "overlay",
            "networkDataplane": "cilium",
            "networkPolicy": "cilium",
        }
        properties = {
            "dnsPrefix": settings.kubernetes_cluster,
            "enableRBAC": True,
            "aadProfile": {"managed": True, "enableAzureRBAC": True},
            "agentPoolProfiles": [pool],
            "networkProfile": network,
            "oidcIssuerProfile": {"enabled": True},
            "securityProfile": {"workloadIdentity": {"enabled": True}},
        }
        body = {
            **self._here(),
            "sku": {"name": "Base", "tier": "Free"},
            "identity": {"type": "SystemAssigned"},
            "properties": properties,
        }
        return self._of_group(
            "Microsoft.ContainerService/managedClusters", settings.kubernetes_cluster, "2024-09-01", body
        )

    def _federations(self) -> Iterator[Resource]:
        """What lets the endpoints' pods sign in as the serving identity, for each namespace."""
        for namespace in (self._settings.kubernetes_namespace, self._settings.kubernetes_qa_namespace):
            properties = {
                "issuer": self.kubernetes.output("properties.oidcIssuerProfile.issuerURL"),
                "subject": f"system:serviceaccount:{namespace}:{SERVICE_ACCOUNT}",
                "audiences": ["api://AzureADTokenExchange"],
            }
            kind, name = f"{self.serving.type}/federatedIdentityCredentials", f"{self.serving.name}/{namespace}"
            yield self._of_group(kind, name, "2023-01-31", {"properties": properties})

    def _subscriptions(self) -> Iterator[Resource]:
        """What Event Grid tells of: blobs that land, and models that are registered, by whomever."""
        landing = f"/blobServices/default/containers/{self._settings.container}/blobs/landing/"
        blobs = {"includedEventTypes": [BLOB_CREATED], "subjectBeginsWith": landing}
        models = {"includedEventTypes": [MODEL_REGISTERED]}
        yield self._subscription("ridgeline-blobs", self.storage, blobs)
        yield self._subscription("ridgeline-models", self.workspace, models)

    def _subscription(self, name: str, source: Resource, wanted: Body) -> Resource:
        queue = {
            "resourceId": self.storage.id,
            "queueName": self._settings.queue,
            "queueMessageTimeToLiveInSeconds": MESSAGE_SECONDS,
        }
        properties = {
            "destination": {"endpointType": "StorageQueue", "properties": queue},
            "filter": wanted,
            "eventDeliverySchema": "EventGridSchema",
        }
        return Resource(
            "Microsoft.EventGrid/eventSubscriptions", name, "2022-06-15", source.id, {"properties": properties}
        )
