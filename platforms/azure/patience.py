"""How storage clients wait before they send a request again: longer each time, and as long as the service asks for.

The SDK's own policy adds whole seconds to whatever it is given, and does not read `Retry-After`.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from azure.storage.blob import ExponentialRetry

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpRequest, HttpResponse


class Patience(ExponentialRetry):  # type: ignore[misc]  # the SDK has no types
    """The policy of all clients of blobs and queues; it repeats whatever fails, in whichever way, equally often."""

    def __init__(self, retries: int, wait: float) -> None:
        super().__init__(retry_total=retries, retry_connect=retries, retry_read=retries, retry_status=retries)
        self._wait = wait

    def increment(
        self,
        settings: dict[str, Any],
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        """Note what the service asks for; True if the request is to be sent again."""
        settings["asked"] = seconds_of(response.headers.get("Retry-After", "")) if response else 0.0
        return bool(super().increment(settings, request, response, error))

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Seconds until the next try; clients that failed together come back apart."""
        wait = self._wait * 2.0 ** int(settings["count"] - 1) * random.uniform(0.75, 1.25)
        return max(wait, float(settings["asked"]))


def seconds_of(retry_after: str) -> float:
    """Seconds from now that a `Retry-After` asks for, as a number or as a date; 0 if it says neither."""
    with suppress(ValueError):
        return float(retry_after)
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return 0.0
