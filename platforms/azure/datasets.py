"""Datasets as Delta tables in the blob container."""

from __future__ import annotations

from urllib.parse import urlsplit

from platforms.azure import credentials
from platforms.azure.errors import told
from platforms.azure.settings import AzureSettings
from platforms.delta import DeltaStore


def blob_datasets(settings: AzureSettings, folder: str = "tables") -> DeltaStore:
    """The dataset port on `az://<container>/<folder>/<recipe>`, which Spark and Databricks read too."""
    return DeltaStore(f"az://{settings.container}/{folder}", lambda: options(settings))


def options(settings: AzureSettings) -> dict[str, str]:
    """What Delta's own storage client needs: the account, and a key or a token of this process's identity."""
    patience = {
        "timeout": f"{settings.timeout:.0f}s",
        "max_retries": str(settings.retries),
        "backoff_config.init_backoff": f"{settings.retry_wait * 1000:.0f}ms",
    }
    if connection := credentials.connection_string(settings):
        return {**_account(connection), **patience}
    address = credentials.storage_address(settings)
    with told(f"a token for the tables in {address}"):
        token = credentials.storage_identity(settings).get_token(credentials.STORAGE_SCOPE).token
    name = settings.storage_account or str(urlsplit(address).hostname).partition(".")[0]
    return {"account_name": name, "azure_endpoint": address, "bearer_token": token, **patience}


def _account(connection_string: str) -> dict[str, str]:
    """The same account by the names that Delta's storage client knows."""
    given = dict(part.split("=", 1) for part in connection_string.strip(";").split(";"))
    names = {
        "AccountName": "account_name",
        "AccountKey": "account_key",
        "SharedAccessSignature": "sas_token",
        "BlobEndpoint": "azure_endpoint",
    }
    return {names[name]: value for name, value in given.items() if name in names}
