"""Which images the container registry still has: people and cleanup tasks purge what they think nobody needs.

The SDK for a registry's content is not needed for one question. The registry has tokens of its own, which it gives
for one of Entra ID.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from platforms.azure import clients
from platforms.azure.credentials import credential
from platforms.azure.settings import AzureSettings

if TYPE_CHECKING:
    from azure.core import PipelineClient

SCOPE: Final = "https://containerregistry.azure.net/.default"
KINDS: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
"""What a manifest may be; the registry says 404 to one that is not among what is accepted."""


class ImageManifests:
    """The manifests of the registry that the settings name."""

    def __init__(self, settings: AzureSettings) -> None:
        self._settings = settings

    def exists(self, repository: str, digest: str) -> bool:
        """Whether an image can still be pulled by its manifest's digest; raises `AzureError`."""
        from azure.core.rest import HttpRequest

        headers = {"Authorization": f"Bearer {self._token(repository)}", "Accept": ", ".join(KINDS)}
        path = f"/v2/{repository}/manifests/{digest}"
        answer = self._client.send_request(
            HttpRequest("HEAD", self._settings.registry_address + path, headers=headers)
        )
        if answer.status_code == 404:
            return False
        answer.raise_for_status()
        return True

    def _token(self, repository: str) -> str:
        entra = credential(self._settings).get_token(SCOPE).token
        asked = {"service": f"{self._settings.registry}.azurecr.io"}
        exchanged = self._post("exchange", {**asked, "grant_type": "access_token", "access_token": entra})
        refresh, scope = exchanged["refresh_token"], f"repository:{repository}:pull"
        wanted = {**asked, "grant_type": "refresh_token", "refresh_token": refresh, "scope": scope}
        return str(self._post("token", wanted)["access_token"])

    def _post(self, path: str, form: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
        from azure.core.rest import HttpRequest

        request = HttpRequest("POST", f"{self._settings.registry_address}/oauth2/{path}", data=form)
        answer = self._client.send_request(request, **clients.REPEATABLE)
        answer.raise_for_status()
        return answer.json()

    @cached_property
    def _client(self) -> PipelineClient[Any, Any]:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import RetryPolicy

        return PipelineClient("", policies=[RetryPolicy(**clients.retries(self._settings))])
