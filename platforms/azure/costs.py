"""What a job took: how long it waited, how long it had a node, and what that costs by the price table."""

from __future__ import annotations

from datetime import datetime

from platforms.azure.run_history import RunDetails
from platforms.azure.settings import AzureSettings
from platforms.usage import Usage


def usage(settings: AzureSettings, details: RunDetails) -> Usage:
    """The usage of a job that is over. Starting and idle nodes are billed too and belong to no job."""
    node_seconds = _seconds(details.started, details.ended)
    price = settings.node_prices.get(f"{settings.node_size}/{settings.vm_priority}")
    cost = None if price is None else round(price * node_seconds / 3600, 6)
    return Usage(_seconds(details.created, details.started), node_seconds, cost, settings.currency)


def _seconds(begin: datetime | None, end: datetime | None) -> float:
    return round(max(0.0, (end - begin).total_seconds()), 3) if begin and end else 0.0
