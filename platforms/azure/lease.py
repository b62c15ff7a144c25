"""Taking turns: one process at a time, also if the one whose turn it is dies."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from platforms.azure.errors import address, translated
from platforms.errors import ConflictError

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobLeaseClient, ContainerClient

SECONDS: Final = 30
"""Length of a turn; what is done in one has to be short."""
PATIENCE: Final = 2 * SECONDS


@contextmanager
def lease(container: ContainerClient, path: str) -> Iterator[None]:
    """Hold the lease of a blob, which is made; raises `ConflictError` if others hold it for too long."""
    with translated(f"lease of blob {path!r}"):
        held = _acquired(container.get_blob_client(path))
    try:
        yield
    finally:
        with translated(f"lease of blob {path!r}"):
            held.release()


def _acquired(blob: BlobClient) -> BlobLeaseClient:
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    end = time.monotonic() + PATIENCE
    while True:
        try:
            return blob.acquire_lease(SECONDS)
        except ResourceNotFoundError:
            _make(blob)
        except ResourceExistsError:
            if time.monotonic() > end:
                raise ConflictError(f"somebody else holds the lease of {address(blob.url)}: try again") from None
            time.sleep(random.uniform(0.01, 0.1))


def _make(blob: BlobClient) -> None:
    from azure.core.exceptions import ResourceExistsError

    try:
        blob.upload_blob(b"", overwrite=False)
    except ResourceExistsError:
        return
