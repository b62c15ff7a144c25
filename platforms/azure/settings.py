"""Every setting of the Azure platform, read from the environment (`RIDGELINE_AZURE_…`) and then from `.env`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from platforms.settings import ENV_FILE


class AzureSettings(BaseSettings):
    """What can be set. A field `x_y` is the environment variable `RIDGELINE_AZURE_X_Y`."""

    model_config = SettingsConfigDict(
        title="RIDGELINE_AZURE_",
        env_prefix="RIDGELINE_AZURE_",
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
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

    queue_timeout: float = Field(default=4 * 3600.0, gt=0)
    """Seconds that a training job may wait for a node, or not answer, until it is cancelled."""

    training_image: str | None = None
    """Base image of the training environment; none takes Azure ML's own for the hardware."""

    node_prices: dict[str, float] = {
        "Standard_DS3_v2/low_priority": 0.059,
        "Standard_DS3_v2/dedicated": 0.293,
        "Standard_NC4as_T4_v3/low_priority": 0.105,
        "Standard_NC4as_T4_v3/dedicated": 0.526,
    }
    """Price of a node per hour, by VM size and priority, to estimate a job's cost; check it for your region."""

    currency: str = "USD"
    """Currency of the prices."""

    registry: str = ""
    """Container registry of the scoring images, without `.azurecr.io`."""

    registry_endpoint: str | None = None
    """Address of the container registry, unless it is `https://<registry>.azurecr.io`."""

    build_agent_cpus: int = Field(default=2, ge=1)
    """Processors of the machine that builds an image."""

    build_timeout: float = Field(default=3600.0, gt=0)
    """Seconds until the build of an image must be over, waiting for its machine included."""

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

    kubernetes_qa_cluster: str | None = None
    """AKS cluster of the qa endpoints if `qa_kind` is `aks`; none takes the prod endpoints' cluster."""

    kubernetes_qa_namespace: str = "ridgeline-qa"
    """Namespace of the qa endpoints if `qa_kind` is `aks`."""

    kubernetes_credentials: Literal["user", "admin"] = "user"
    """`user` signs in with an Entra token, `admin` with the cluster's local account."""

    kubernetes_force: bool = False
    """Take fields over that somebody else changed on the cluster; else a release ends with what they are."""

    load_balancer: Literal["public", "internal"] = "public"
    """Whether endpoints on AKS have an address in the internet or in the cluster's network only."""

    allowed_ranges: list[str] = []
    """Address ranges (CIDR) that may reach endpoints on AKS; an empty list lets everybody in who has a key."""

    endpoint_port: int = Field(default=80, ge=1, le=65535)
    """Port of the endpoints' load balancers on AKS; they speak HTTP, TLS ends in front of them."""

    endpoint_url: str | None = None
    """What clients of prod open instead of the load balancer's address; `{recipe}` stands for the recipe's name."""

    min_replicas: int = Field(default=2, ge=1)
    """Replicas that the stable version of a prod endpoint always has."""

    max_replicas: int = Field(default=6, ge=1)
    """Replicas that the autoscaler may add up to."""

    target_cpu: int = Field(default=60, ge=1, le=100)
    """Percent of its requested processor time that a replica shall use; above it the autoscaler adds one."""

    replica_cpu: str = "500m"
    """Processor time that a replica asks for."""

    replica_memory: str = "512Mi"
    """Memory that a replica may use."""

    replica_timeout: float = Field(default=600.0, gt=0)
    """Seconds until an endpoint must be ready with a new image, else what served before is put back."""

    pull_timeout: float = Field(default=120.0, ge=0)
    """Seconds that the registry may fail to give an image to an endpoint, until the endpoint's release fails."""

    drain_timeout: float = Field(default=10.0, gt=0)
    """Seconds that a replaced replica may take to answer what is in flight."""

    stop_delay: int = Field(default=5, ge=0)
    """Seconds that a replaced replica goes on, until every node knows that it is gone; 0 needs Kubernetes 1.33."""

    log_volume: str = "8Gi"
    """Size of each replica's volume for its request log; cannot change while the endpoint exists."""

    log_storage_class: str = "managed-csi"
    """Storage class of the replicas' log volumes; cannot change while the endpoint exists."""

    ship_logs: bool = True
    """Run the log shipper beside every replica."""

    serving_identity: str = "ridgeline-serving"
    """Managed identity that pulls images for Container Instances and ships the request logs."""

    serving_client_id: str = ""
    """Client id of the serving identity; `provision` prints it."""

    otlp_endpoint: str | None = None
    """Base URL of an OTLP/HTTP collector that gets a span per prediction."""

    qa_kind: Literal["aci", "aks"] = "aci"
    """Where qa endpoints are: a container group each, or a namespace on AKS like prod."""

    qa_cpu: float = Field(default=1.0, gt=0)
    """Processors of a qa container group."""

    qa_memory_gb: float = Field(default=1.0, gt=0)
    """Memory of a qa container group in GB."""

    qa_after_tests: Literal["keep", "stop", "delete"] = "keep"
    """What becomes of a qa container group when its release is over; a stopped or deleted one costs nothing."""

    qa_dns_suffix: str | None = Field(default=None, pattern="^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$")
    """How the first part of a qa container group's DNS name ends; none takes a hash of the resource group's id."""

    qa_log_share: str | None = None
    """Azure Files share for qa request logs; it needs the storage account's key and a container that runs as root."""

    queue_endpoint: str | None = None
    """Queue address of the storage account, unless it is the blob address with `queue` for `blob`."""

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

    provision_timeout: float = Field(default=3600.0, gt=0)
    """Seconds until `provision` must have made or deleted a resource; what it has made by then stays."""

    poll_seconds: float = Field(default=5.0, gt=0)
    """Seconds between two looks at a job or build in progress."""

    timeout: float = 60.0
    """Seconds until a request that got no answer is given up."""

    retries: int = 6
    """How often a request that was throttled, failed on the service's side or lost its connection is sent again."""

    retry_wait: float = 0.8
    """Seconds before the first repetition; each further wait is about twice as long."""

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

    @property
    def registry_address(self) -> str:
        """Address of the container registry, without a slash at its end."""
        return (self.registry_endpoint or f"https://{self.registry}.azurecr.io").rstrip("/")
