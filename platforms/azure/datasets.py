"""Datasets as Delta tables in the blob container."""

from __future__ import annotations

from platforms.azure import credentials
from platforms.azure.errors import translated
from platforms.azure.settings import AzureSettings
from platforms.azure.storage_account import storage_account
from platforms.delta import DeltaStore


def blob_datasets(settings: AzureSettings, folder: str = "tables") -> DeltaStore:
    """The dataset port on `az://<container>/<folder>/<recipe>`, which Spark and Databricks read too."""
    return DeltaStore(f"az://{settings.container}/{folder}", lambda: options(settings))


def options(settings: AzureSettings) -> dict[str, str]:
    """What Delta's own storage client needs: the account, and its key, a signature or a token of who this is."""
    patience = {
        "timeout": f"{settings.timeout:.0f}s",
        "max_retries": str(settings.retries),
        "backoff_config.init_backoff": f"{settings.retry_wait * 1000:.0f}ms",
    }
    account = storage_account(settings)
    known = {"account_name": account.name, "azure_endpoint": account.address, **patience}
    if account.key:
        return {**known, "account_key": account.key}
    if account.signature:
        return {**known, "sas_token": account.signature}
    with translated(f"a token for the tables in {account.address}"):
        token = credentials.storage_identity(settings).get_token(credentials.STORAGE_SCOPE).token
    return {**known, "bearer_token": token}
