"""Every setting of the Azure platform, read from the environment (`RIDGELINE_AZURE_…`) and then from `.env`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from platforms.settings import ENV_FILE


class AzureSettings(BaseSettings):
    """What can be set. A field `x_y` is the environment variable `RIDGELINE_AZURE_X_Y`."""

    model_config = SettingsConfigDict(
        env_prefix="RIDGELINE_AZURE_",
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    subscription_id: str = ""
    """Subscription that holds everything."""

    tenant_id: str = ""
    """Entra tenant of the subscription; needed only by `provision`."""

    resource_group: str = "ridgeline"
    """Resource group that holds everything."""

    location: str = "westeurope"
    """Region of the resource group and of everything in it."""

    resource_manager: str = "https://management.azure.com"
    """Address of Azure Resource Manager; a sovereign cloud has another one."""

    authority: str = "https://login.microsoftonline.com"
    """Address of Entra ID; a sovereign cloud has another one."""

    client_id: str | None = None
    """Client id of the managed identity to sign in with; none takes what the host or `az login` offers."""

    storage_account: str = ""
    """Storage account of blobs, tables, queue and logs."""

    storage_endpoint: str | None = None
    """Blob address of the storage account, unless it is `https://<account>.blob.core.windows.net`."""

    storage_connection_string: SecretStr | None = None
    """Connection string of the storage account, where an identity cannot be used."""

    storage_block: str | None = None
    """Name of a Prefect `AzureBlobStorageCredentials` block that holds the storage account's credentials."""

    container: str = "ridgeline"
    """Blob container of everything that Ridgeline stores."""

    key_vault: str | None = None
    """Address of the Key Vault, `https://<name>.vault.azure.net`."""

    application_insights: SecretStr | None = None
    """Connection string of Application Insights; none keeps results in the journal and in Prefect only."""

    workspace: str = "ridgeline"
    """Azure ML workspace: training jobs and registered models."""

    datastore: str = "ridgeline"
    """Name under which the workspace knows the blob container; made with the first job."""

    cluster: str = "ridgeline"
    """Compute cluster of the training jobs."""

    hardware: Literal["cpu", "gpu"] = "cpu"
    """Chooses VM size and base image of the training jobs, where those are not set."""

    vm_size: str | None = None
    """VM size of the cluster's nodes; none takes `Standard_DS3_v2`, or `Standard_NC4as_T4_v3` with a GPU."""

    vm_priority: Literal["low_priority", "dedicated"] = "low_priority"
    """Low-priority nodes cost about a fifth and may be taken away; Azure ML then starts the job again."""

    max_nodes: int = Field(default=2, ge=1)
    """Training jobs at the same time; without jobs the cluster has no node."""

    idle_seconds: int = Field(default=300, ge=30)
    """Seconds that a node waits for the next job before it goes."""

    training_image: str | None = None
    """Base image of the training environment; none takes Azure ML's own for the hardware."""

    node_prices: dict[str, float] = {
        "Standard_DS3_v2/low_priority": 0.059,
        "Standard_DS3_v2/dedicated": 0.293,
        "Standard_NC4as_T4_v3/low_priority": 0.105,
        "Standard_NC4as_T4_v3/dedicated": 0.526,
    }
    """Price of a node per hour, by VM size and priority, for the estimate of a job's cost; check it for your region."""

    currency: str = "USD"
    """Currency of the prices."""

    registry: str = ""
    """Container registry of the scoring images, without `.azurecr.io`."""

    build_agent_cpus: int = Field(default=2, ge=1)
    """Processors of the machine that builds an image."""

    kubernetes_cluster: str = "ridgeline"
    """AKS cluster of the prod endpoints."""

    kubernetes_vm_size: str = "Standard_D2s_v5"
    """VM size of the AKS cluster's nodes."""

    kubernetes_min_nodes: int = Field(default=1, ge=1)
    """Nodes that the AKS cluster always has."""

    kubernetes_max_nodes: int = Field(default=3, ge=1)
    """Nodes that the AKS cluster may grow to."""

    kubernetes_namespace: str = "ridgeline"
    """Namespace of the endpoints; its service account `scoring` signs in as the serving identity."""

    queue: str = "ridgeline-arrivals"
    """Storage queue that Event Grid tells of arrivals; what cannot be handled goes to `<queue>-poison`."""

    queue_visibility: int = Field(default=60, ge=1)
    """Seconds after which a message that a dead listener had taken comes back."""

    queue_tries: int = Field(default=5, ge=1)
    """How often a message is tried before it is set aside."""

    log_days: int = Field(default=365, ge=31)
    """Days after which archived logs of flows and jobs are deleted; after 30 they move to the cool tier."""

    operator: str | None = None
    """Object id of a person who may do by hand what the pipeline's identity may do."""

    poll_seconds: float = Field(default=5.0, gt=0)
    """Seconds between two looks at a job or build in progress."""

    timeout: float = 60.0
    """Seconds until a request that got no answer is given up."""

    retries: int = 6
    """How often a request that was throttled, failed on the service's side or lost its connection is sent again."""

    @property
    def node_size(self) -> str:
        """VM size of the cluster's nodes."""
        return self.vm_size or {"cpu": "Standard_DS3_v2", "gpu": "Standard_NC4as_T4_v3"}[self.hardware]

    @property
    def workspace_id(self) -> str:
        """Resource id of the Azure ML workspace."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"

    @property
    def blob_endpoint(self) -> str:
        """Address of the storage account's blobs, without a slash at its end."""
        address = self.storage_endpoint or f"https://{self.storage_account}.blob.core.windows.net"
        return address.rstrip("/")
