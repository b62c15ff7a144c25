"""How the log shipper beside a replica finds the storage account."""

from __future__ import annotations

from typing import Final

from platforms.azure.settings import AzureSettings
from platforms.azure.storage_account import storage_account

SHIPPER: Final = ("/opt/shipper/bin/python", "-m", "log_shipper")
"""How the shipper starts in a scoring image, in the templates too."""
LOG_DIR: Final = "/var/log/scoring/requests"
"""Where the replica writes its segments, in the templates too."""


def shipper_environment(settings: AzureSettings) -> dict[str, str]:
    """Variables of the sidecar. It signs in as the serving identity: no key is among them."""
    account = storage_account(settings)
    return {
        "SHIPPER_LOG_DIR": LOG_DIR,
        "RIDGELINE_PLATFORM": "azure",
        "RIDGELINE_AZURE_AUTHORITY": settings.authority,
        "RIDGELINE_AZURE_CLIENT_ID": settings.serving_client_id,
        "RIDGELINE_AZURE_STORAGE_ACCOUNT": account.name,
        "RIDGELINE_AZURE_STORAGE_ENDPOINT": account.address,
        "RIDGELINE_AZURE_CONTAINER": settings.container,
    }
