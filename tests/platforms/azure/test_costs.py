from __future__ import annotations

import pytest

from platforms.azure.costs import usage
from platforms.azure.run_history import RunDetails
from platforms.azure.settings import AzureSettings

CONTENT = {
    "status": "Completed",
    "createdTimeUtc": "2026-03-27T04:00:00+00:00",
    "startTimeUtc": "2026-03-27T04:02:30.5+00:00",
    "endTimeUtc": "2026-03-27T05:02:30.5+00:00",
}


@pytest.fixture
def settings() -> AzureSettings:
    return AzureSettings(node_prices={"small/low_priority": 0.5}, vm_size="small", currency="EUR")


def test_an_hour_on_a_node_costs_its_price(settings: AzureSettings) -> None:
    found = usage(settings, RunDetails.parse(CONTENT))
    assert (found.queue_seconds, found.node_seconds, found.cost, found.currency) == (150.5, 3600.0, 0.5, "EUR")


def test_a_node_without_a_price_has_no_cost(settings: AzureSettings) -> None:
    dedicated = settings.model_copy(update={"vm_priority": "dedicated"})
    assert usage(dedicated, RunDetails.parse(CONTENT)).cost is None


def test_a_job_that_never_got_a_node_took_nothing(settings: AzureSettings) -> None:
    details = RunDetails.parse({**CONTENT, "status": "Canceled", "startTimeUtc": None, "error": None})
    assert (details.is_over, details.ended_badly, details.error) == (True, True, None)
    assert usage(settings, details).node_seconds == 0.0


def test_the_reason_is_what_the_service_says() -> None:
    error = {"error": {"code": "UserError", "message": "out of memory"}}
    assert RunDetails.parse({"status": "Failed", "error": error}).error == "out of memory"
