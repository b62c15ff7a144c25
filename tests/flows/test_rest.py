"""Starting a run by plain HTTP, as docs/operations.md says."""

from __future__ import annotations

import asyncio
import json
import subprocess

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_API_AUTH_STRING,
    temporary_settings,
)

from tests import measured
from tests.prefect_server import prefect_server

AUTH = "ada:lovelace"


def curl(*arguments: str) -> tuple[int, dict[str, object]]:
    """Status and decoded body of one request."""
    command = ["curl", "-s", "-w", "\n%{http_code}", "-H", "content-type: application/json", *arguments]
    body, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rsplit("\n", 1)
    return int(status), json.loads(body)


@pytest.mark.usefixtures("deployments")
def test_a_retrain_is_started_with_parameters() -> None:
    api = str(PREFECT_API_URL.value())
    status, deployment = curl(f"{api}/deployments/name/retrain/diabetes")
    assert status == 200
    body = json.dumps({"parameters": {"alpha": 0.3}})
    status, run = curl(f"{api}/deployments/{deployment['id']}/create_flow_run", "-d", body)
    assert status == 201
    assert run["parameters"] == {"recipe": "diabetes", "alpha": 0.3}


@pytest.mark.usefixtures("deployments")
def test_parameters_that_the_recipe_does_not_have_are_refused() -> None:
    api = str(PREFECT_API_URL.value())
    _, deployment = curl(f"{api}/deployments/name/retrain/diabetes")
    body = json.dumps({"parameters": {"alpha": "much"}})
    status, answer = curl(f"{api}/deployments/{deployment['id']}/create_flow_run", "-d", body)
    assert status == 409
    assert "alpha" in str(answer)


@pytest.mark.long
def test_a_server_with_auth_lets_only_those_in_who_know_it() -> None:
    """The server's own application, without the process around it."""
    measured.load("prefect.server.api.server")
    from prefect.server.api.server import create_api_app

    async def statuses() -> list[int]:
        transport = httpx.ASGITransport(create_api_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            known = (None, ("ada", "wrong"), ("ada", "lovelace"))
            return [(await client.get("/admin/version", auth=auth)).status_code for auth in known]

    with temporary_settings({PREFECT_SERVER_API_AUTH_STRING: AUTH}):
        assert asyncio.run(statuses()) == [401, 401, 200]


@pytest.mark.long
def test_a_server_with_auth_asks_for_it() -> None:
    with prefect_server(auth=AUTH) as api:
        mine = {PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: AUTH}
        with temporary_settings(mine), get_client(sync_client=True) as client:
            deployment = client.create_deployment(client.create_flow_from_name("retrain"), name="diabetes")
        url = f"{api}/deployments/{deployment}/create_flow_run"
        assert curl(url, "-d", "{}")[0] == 401
        assert curl(url, "-d", "{}", "-u", "ada:wrong")[0] == 401
        assert curl(url, "-d", "{}", "-u", "ada:lovelace")[0] == 201
