"""How storage clients wait before they send a request again: longer each time, and as long as the service asks for.

The SDK's own policy adds whole seconds to whatever it is given, and does not read `Retry-After`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from azure.storage.blob import ExponentialRetry

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpRequest, HttpResponse


class Patience(ExponentialRetry):  # type: ignore[misc]  # the SDK has no types
    """The policy of all clients of blobs and queues."""

    def __init__(self, retries: int, wait: float) -> None:
        super().__init__(retry_total=retries)
        self._wait = wait

    def increment(
        self,
        settings: dict[str, Any],
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        """Note what the service asks for; True if the request is to be sent again."""
        settings["asked"] = float(response.headers.get("Retry-After", 0)) if response else 0.0
        return bool(super().increment(settings, request, response, error))

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Seconds until the next try; clients that failed together come back apart."""
        wait = self._wait * 2.0 ** int(settings["count"] - 1) * random.uniform(0.75, 1.25)
        return max(wait, float(settings["asked"]))
