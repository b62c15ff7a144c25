"""Azure: Blob Storage, Azure ML, Container Registry, Container Instances, AKS, Key Vault, Application Insights."""

from __future__ import annotations

from typing import Final

from platforms.platform import Platform
from platforms.protocols import Endpoints, Storage
from platforms.settings import ROOT, Settings

IMPORTS: Final = (
    "azure.ai.ml",
    "azure.identity",
    "azure.keyvault.secrets",
    "azure.storage.blob",
    "azure.storage.queue",
    "azure.mgmt.containerinstance",
    "azure.mgmt.containerregistrytasks",
    "azure.mgmt.containerservice",
    "kubernetes.client",
)
"""The SDKs that the adapters import when they are used: seconds in each process that did not inherit them."""


def build(settings: Settings) -> Platform:
    """Every port of the Azure platform that the environment and `.env` describe; nothing is asked of Azure yet."""
    from platforms.azure import clients
    from platforms.azure.arrivals import QueueArrivals
    from platforms.azure.champion import Champions
    from platforms.azure.compute import AzureCompute
    from platforms.azure.datasets import blob_datasets
    from platforms.azure.endpoints import AzureEndpoints
    from platforms.azure.folders import Folders
    from platforms.azure.images import AzureImages
    from platforms.azure.infrastructure import AzureInfrastructure
    from platforms.azure.journal import JournalBlobs
    from platforms.azure.lock import BlobLockTable
    from platforms.azure.machine_learning import MachineLearning
    from platforms.azure.registry import AzureRegistry
    from platforms.azure.secrets import VaultSecrets
    from platforms.azure.settings import AzureSettings
    from platforms.azure.storage import BlobStorage
    from platforms.azure.telemetry import telemetry
    from platforms.azure.texts import Texts
    from platforms.journal import HashedJournal
    from platforms.shipped import ShippedLog

    azure = AzureSettings()
    container = clients.container(azure)
    blobs = BlobStorage(container)
    secrets = VaultSecrets(clients.vault(azure), container)
    workspace = MachineLearning(azure)
    images = AzureImages(azure, blobs)
    folders = Folders(blobs, settings.state_dir / "azure")
    queue, poison = clients.queue(azure, azure.queue), clients.queue(azure, f"{azure.queue}-poison")
    return Platform(
        name="azure",
        storage=blobs,
        arrivals=QueueArrivals(queue, poison, blobs, azure.container, azure.queue_visibility, azure.queue_tries),
        datasets=blob_datasets(azure),
        compute=AzureCompute(workspace, folders, ROOT, settings.job_timeout),
        registry=AzureRegistry(workspace, folders, Champions(Texts(container, "champions"))),
        images=images,
        endpoints=AzureEndpoints(azure, secrets, images.pull_reference),
        traffic=ShippedLog(blobs),
        secrets=secrets,
        lock=BlobLockTable(Texts(container, "locks")),
        journal=HashedJournal(JournalBlobs(Texts(container, "journal"))),
        telemetry=telemetry(azure),
        infrastructure=AzureInfrastructure(azure),
    )


def endpoints() -> Endpoints:
    """Only the endpoints port."""
    from platforms.azure import clients
    from platforms.azure.endpoints import AzureEndpoints
    from platforms.azure.images import AzureImages
    from platforms.azure.secrets import VaultSecrets
    from platforms.azure.settings import AzureSettings

    azure = AzureSettings()
    secrets = VaultSecrets(clients.vault(azure), clients.container(azure))
    return AzureEndpoints(azure, secrets, AzureImages(azure, storage()).pull_reference)


def storage() -> Storage:
    """Only the storage port."""
    from platforms.azure import clients
    from platforms.azure.settings import AzureSettings
    from platforms.azure.storage import BlobStorage

    return BlobStorage(clients.container(AzureSettings()))


def models_page() -> str:
    """The workspace's models in Azure ML studio."""
    from platforms.azure.machine_learning import MachineLearning
    from platforms.azure.settings import AzureSettings

    return MachineLearning(AzureSettings()).studio_url("model/list")
