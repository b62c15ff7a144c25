"""What an endpoint answers at its address, asked from here."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import httpx

from platforms.values import EndpointSpec

SECONDS: Final = 5.0


def is_ready(url: str) -> bool:
    """Whether a replica answers there, and says that it is ready."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health/ready", timeout=SECONDS).is_success
    return False


def serves(url: str, spec: EndpointSpec) -> bool:
    """Whether what answers there runs this image of this model version."""
    with suppress(httpx.HTTPError, ValueError, LookupError, TypeError):
        said = httpx.get(f"{url}/metadata", timeout=SECONDS).json()
        return is_ready(url) and (said["image_digest"], said["model_version"]) == (
            spec.image.digest,
            spec.model_version,
        )
    return False
