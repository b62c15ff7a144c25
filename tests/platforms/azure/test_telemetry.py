from __future__ import annotations

import logging

import pytest

from platforms.azure.settings import AzureSettings
from platforms.azure.telemetry import MonitorTelemetry, telemetry
from tests.emulator.faults import Fault
from tests.emulator.monitor import Monitor
from tests.emulator.world import World


def test_outcomes_become_custom_events(azure: AzureSettings, world: World) -> None:
    made = telemetry(azure)
    assert isinstance(made, MonitorTelemetry)
    fault = Fault("error", "/track", times=1, status=500)
    with world.faults.on(fault):
        made.emit("ridgeline.test", {"recipe": "r", "improvement": 1.5, "promoted": True})
        made._provider.shutdown()
    assert fault.hits == 1
    row = next(row for row in world.part(Monitor).rows("AppEvents") if row["Name"] == "ridgeline.test")
    assert row["Properties"].items() >= {"recipe": "r", "improvement": "1.5", "promoted": "True"}.items()


def test_without_application_insights_nothing_is_sent(azure: AzureSettings) -> None:
    telemetry(azure.model_copy(update={"application_insights": None})).emit("x", {"a": 1})


def test_what_cannot_be_sent_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        MonitorTelemetry("no connection string").emit("ridgeline.test", {})
    assert "telemetry ridgeline.test is lost" in caplog.text
