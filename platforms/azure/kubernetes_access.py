"""How to sign in to an AKS cluster: its kubeconfig, and an Entra token where the kubeconfig leaves that open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import yaml

from platforms.azure import clients
from platforms.azure.credentials import credential
from platforms.azure.errors import translated
from platforms.azure.settings import AzureSettings
from platforms.errors import NotFoundError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration
    from urllib3.util.retry import Retry

AKS_SCOPE: Final = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
"""The Entra application of every AKS API server."""
MARGIN_SECONDS: Final = 300
"""How long before its end a token is exchanged."""


def connect(settings: AzureSettings, cluster: str) -> ApiClient:
    """A client of the cluster; raises `NotFoundError` if there is none, `PlatformError` if it refuses."""
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import load_kube_config_from_dict

    kubeconfig = yaml.safe_load(_kubeconfig(settings, cluster))
    needs_token = any("exec" in entry["user"] or "auth-provider" in entry["user"] for entry in kubeconfig["users"])
    if needs_token:
        kubeconfig["users"] = [{"name": entry["name"], "user": {}} for entry in kubeconfig["users"]]
    configuration = Configuration()
    load_kube_config_from_dict(kubeconfig, client_configuration=configuration)
    configuration.retries = _retry(settings)
    if needs_token:
        configuration.refresh_api_key_hook = EntraToken(settings, cluster).refresh
        configuration.refresh_api_key_hook(configuration)
    return ApiClient(configuration)


class EntraToken:
    """Keeps a client's token valid."""

    def __init__(self, settings: AzureSettings, cluster: str) -> None:
        self._cluster = cluster
        self._credential = credential(settings)
        self._expires = 0.0

    def refresh(self, configuration: Configuration) -> None:
        """Put a token into the configuration, unless the one in it lasts."""
        if time.time() < self._expires - MARGIN_SECONDS:
            return
        with translated(f"a token for AKS cluster {self._cluster}"):
            token = self._credential.get_token(AKS_SCOPE)
        self._expires = token.expires_on
        configuration.api_key["authorization"] = f"Bearer {token.token}"


def _kubeconfig(settings: AzureSettings, cluster: str) -> bytes:
    from azure.core.exceptions import ResourceNotFoundError
    from azure.mgmt.containerservice import ContainerServiceClient

    clusters: Any = clients.management(settings, ContainerServiceClient).managed_clusters
    asked = {
        "admin": clusters.list_cluster_admin_credentials,
        "user": clusters.list_cluster_user_credentials,
    }[settings.kubernetes_credentials]
    with translated(f"{settings.kubernetes_credentials} credentials of AKS cluster {cluster}"):
        try:
            answer = asked(settings.resource_group, cluster, **clients.REPEATABLE)
            return bytes(answer.kubeconfigs[0].value)
        except ResourceNotFoundError:
            raise NotFoundError(
                f"there is no AKS cluster {cluster} in {settings.resource_group}: run `ridgeline provision`, or set "
                "RIDGELINE_AZURE_KUBERNETES_CLUSTER"
            ) from None


def _retry(settings: AzureSettings) -> Retry:
    """Everything that is sent may be sent twice: applies and deletions name what shall be."""
    from urllib3.util.retry import Retry

    return Retry(
        settings.retries,
        backoff_factor=settings.retry_wait,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
    )
