"""Telemetry that the real exporter sends is found again by the real query client."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from platforms.azure.credentials import credential
from platforms.azure.settings import AzureSettings
from platforms.azure.telemetry import telemetry
from tests.emulator.faults import Fault
from tests.emulator.monitor import Monitor
from tests.emulator.world import World
from tests.waiting import wait_for

if TYPE_CHECKING:
    from azure.monitor.query import LogsQueryClient


@pytest.fixture
def logs(azure: AzureSettings, world: World) -> LogsQueryClient:
    from azure.monitor.query import LogsQueryClient

    return LogsQueryClient(credential(azure), endpoint=f"{world.base_url}/v1")


def ask(logs: LogsQueryClient, world: World, query: str) -> list[list[object]]:
    found = logs.query_workspace(world.part(Monitor).workspace, query, timespan=timedelta(hours=1))
    return [list(row) for row in found.tables[0].rows]


def test_an_outcome_is_a_custom_event_with_its_fields(
    azure: AzureSettings, world: World, logs: LogsQueryClient
) -> None:
    recipe = uuid.uuid4().hex
    telemetry(azure).emit("ridgeline.verdict", {"recipe": recipe, "decision": "promote", "candidate": 1.5})
    query = f'AppEvents | where Properties.recipe == "{recipe}" | project Name, Properties.decision, AppRoleName'
    wait_for(lambda: ask(logs, world, query))
    assert ask(logs, world, query) == [["ridgeline.verdict", "promote", "ridgeline"]]
    assert ask(logs, world, f'AppEvents | where Properties["recipe"] == "{recipe}" | count') == [[1]]


def test_what_cannot_be_sent_ends_nothing_and_is_sent_again(azure: AzureSettings, world: World) -> None:
    recipe = uuid.uuid4().hex
    with world.faults.on(Fault("throttle", path="/v2.1/track")):
        telemetry(azure).emit("ridgeline.released", {"recipe": recipe})
        wait_for(
            lambda: any(row["Properties"].get("recipe") == recipe for row in world.part(Monitor).rows("AppEvents"))
        )


@pytest.mark.parametrize("query", ["NoTable", "AppEvents | summarize count()", "AppEvents | where Nothing == 'x' "])
def test_a_bad_query_is_refused(azure: AzureSettings, logs: LogsQueryClient, world: World, query: str) -> None:
    from azure.core.exceptions import HttpResponseError

    telemetry(azure).emit("ridgeline.released", {"recipe": uuid.uuid4().hex})
    wait_for(lambda: bool(world.part(Monitor).rows("AppEvents")))
    with pytest.raises(HttpResponseError, match="BadArgumentError"):
        ask(logs, world, query)


def test_a_workspace_that_is_not_there_is_not_found(logs: LogsQueryClient) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="PathNotFoundError"):
        logs.query_workspace(str(uuid.uuid4()), "AppEvents", timespan=timedelta(hours=1))


def test_an_unknown_instrumentation_key_is_refused(azure: AzureSettings, world: World) -> None:
    import httpx

    item = {"iKey": "x", "time": "2026-01-01T00:00:00Z", "data": {"baseType": "EventData", "baseData": {"name": "n"}}}
    with httpx.Client(verify=world.certificates.trust(), trust_env=False) as client:
        refused = client.post(f"{world.base_url}/v2.1/track", json=[item])
        partly = client.post(f"{world.base_url}/v2.1/track", json=[item, {**item, "iKey": world.part(Monitor).key}])
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (400, "Invalid instrumentation key")
    assert (partly.status_code, partly.json()["itemsAccepted"]) == (206, 1)
