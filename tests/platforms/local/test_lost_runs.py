from __future__ import annotations

import asyncio
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelling, Completed, Pending, Running

from platforms.local import lost_runs, processes


@flow
def nothing() -> None:
    """Never run; its runs are made."""


async def make_run(client: PrefectClient, pool: str, state: State) -> FlowRun:
    flow_id = await client.create_flow(nothing)
    deployment = await client.create_deployment(flow_id, f"in-{pool}", work_pool_name=pool, entrypoint="none.py:none")
    run = await client.create_flow_run_from_deployment(deployment)
    for each in (Running(), state):
        await client.set_flow_run_state(run.id, each, force=True)
    return run


async def names(client: PrefectClient, runs: list[FlowRun]) -> list[str]:
    found = [await client.read_flow_run(run.id) for run in runs]
    return [str(run.state.name) for run in found if run.state]


async def settled(state: Path, age: timedelta) -> list[str]:
    """The states, after settling, of runs pending, running, cancelling and completed; the last one is alive."""
    pool = f"pool-{uuid4().hex}"
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        states: list[State] = [Pending(), Running(), Cancelling(), Completed(), Running()]
        runs = [await make_run(client, pool, each) for each in states]
        environment = {**os.environ, processes.MARKER: str(state), lost_runs.RUN_ID: str(runs[-1].id)}
        with subprocess.Popen(["sleep", "60"], env=environment) as alive:
            try:
                await lost_runs.settle(client, pool, state, age)
            finally:
                alive.kill()
        return await names(client, runs)


@pytest.mark.usefixtures("prefect_server")
def test_only_runs_without_a_process_are_ended(tmp_path: Path) -> None:
    found = asyncio.run(settled(tmp_path, timedelta(0)))
    assert found == ["Scheduled", "Crashed", "Cancelled", "Completed", "Running"]


@pytest.mark.usefixtures("prefect_server")
def test_a_young_state_is_left_alone(tmp_path: Path) -> None:
    found = asyncio.run(settled(tmp_path, timedelta(minutes=1)))
    assert found == ["Pending", "Running", "Cancelling", "Completed", "Running"]


@pytest.mark.usefixtures("prefect_server")
def test_a_run_that_is_deleted_just_then_keeps_no_other_from_being_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = f"pool-{uuid4().hex}"

    async def story() -> str:
        async with get_client() as client, get_client() as person:
            await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            runs = [await make_run(client, pool, Running()) for _ in range(2)]
            settle = client.set_flow_run_state

            async def delete_first(run: UUID, state: State) -> object:
                if runs:
                    left.append(next(each for each in runs if each.id != run))
                    runs.clear()
                    await person.delete_flow_run(run)
                return await settle(run, state)

            left: list[FlowRun] = []
            monkeypatch.setattr(client, "set_flow_run_state", delete_first)
            await lost_runs.settle(client, pool, tmp_path, timedelta(0))
            return (await names(client, left))[0]

    assert asyncio.run(story()) == "Crashed"
