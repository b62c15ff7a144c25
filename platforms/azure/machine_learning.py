"""The Azure ML workspace: one client for all adapters that need it, made when it is first used.

Importing the SDK takes 3 to 5 s, so nothing here does it before somebody asks for the workspace.
"""

from __future__ import annotations

import logging
import os
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from platforms.azure import clients
from platforms.azure.credentials import credential
from platforms.azure.settings import AzureSettings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PUBLIC: Final = "https://management.azure.com"


class MachineLearning:
    """The workspace that the settings name."""

    def __init__(self, settings: AzureSettings) -> None:
        self.settings = settings

    @cached_property
    def client(self) -> MLClient:
        """The SDK's client."""
        os.environ.setdefault("TQDM_DISABLE", "1")
        # The SDK warns of its own dependencies as it is imported, and says of its own classes that they may change.
        logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from azure.ai.ml import MLClient

            settings = self.settings
            return MLClient(
                credential(settings),
                settings.subscription_id,
                settings.resource_group,
                settings.workspace,
                enable_telemetry=False,
                # Only who shows progress looks whether an upload failed; without, the SDK waits for it for ever.
                show_progress=True,
                **clients.retries(settings),
                **_cloud(settings),
            )

    def studio_url(self, path: str) -> str:
        """A page of the workspace in Azure ML studio."""
        return f"https://ml.azure.com/{path}?wsid={self.settings.workspace_id}"


def _cloud(settings: AzureSettings) -> dict[str, Any]:
    """What tells the SDK that this is not the public cloud; it knows a cloud by its name, once per process."""
    base = settings.resource_manager.rstrip("/")
    if base == PUBLIC:
        return {}
    addresses = {
        "azure_portal": base,
        "resource_manager": base,
        "active_directory": settings.authority,
        "aml_resource_id": "https://ml.azure.com",
        "storage_endpoint": "core.windows.net",
        "registry_discovery_endpoint": base,
    }
    return {"cloud": base, "cloud_metadata": addresses}
