"""The source of an image build: a context folder as an archive, where the container registry finds it."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from platforms.azure import clients
from platforms.azure.settings import AzureSettings

if TYPE_CHECKING:
    from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient

UPLOADS: Final = 3
"""How often an upload is begun, if the address that it was given had expired."""
READABLE: Final = 0o644


def upload(
    settings: AzureSettings, client: ContainerRegistryTasksMgmtClient, group: str, registry: str, context: Path
) -> str:
    """Upload the context; returns the path by which a build of the registry names it."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    content = archive(context)
    for number in range(UPLOADS):
        place = client.registries.get_build_source_upload_url(group, registry, **clients.REPEATABLE)
        try:
            with clients.signed_blob(settings, place.upload_url) as blob:
                blob.upload_blob(content, overwrite=True)
            break
        except (ClientAuthenticationError, HttpResponseError) as error:
            if error.status_code not in (401, 403) or number == UPLOADS - 1:
                raise
    return str(place.relative_path)


def archive(context: Path) -> bytes:
    """The folder as a compressed archive; equal files give equal bytes, whoever owns them and whenever."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for file in sorted(file for file in context.rglob("*") if file.is_file()):
            entry = tarfile.TarInfo(file.relative_to(context).as_posix())
            entry.size, entry.mode = file.stat().st_size, READABLE
            with file.open("rb") as content:
                tar.addfile(entry, content)
    return buffer.getvalue()
