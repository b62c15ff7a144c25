"""Flow runs that the server believes to be in progress although their processes are gone.

Such a run would hold a slot of the work pool and its recipe's lock for ever. On one machine it is plain which
processes exist: each carries the id of its flow run in its environment.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed, Scheduled

from platforms.local import processes

ACTIVE = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
RUN_ID = "PREFECT__FLOW_RUN_ID"


async def settle(client: PrefectClient, pool: str, state: Path, age: timedelta) -> list[str]:
    """End or reschedule the pool's lost runs whose state is older than `age`; returns their names."""
    active = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ACTIVE)))
    named = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    found = await client.read_flow_runs(flow_run_filter=active, work_pool_filter=named)
    before = datetime.now(UTC) - age
    old = [run for run in found if run.state and run.state.timestamp <= before]
    alive = alive_runs(state) if old else set()
    lost = [run for run in old if str(run.id) not in alive]
    for run in lost:
        # One that was deleted meanwhile must not keep the others from being settled.
        with contextlib.suppress(ObjectNotFound):
            await client.set_flow_run_state(run.id, _outcome(run))
    return [run.name for run in lost]


def alive_runs(state: Path) -> set[str]:
    """The ids of all flow runs of a state folder that have a process."""
    found = set()
    for process in processes.marked(state):
        with contextlib.suppress(psutil.Error):
            found.add(process.environ().get(RUN_ID, ""))
    return found


def _outcome(run: FlowRun) -> State:
    """A run that had not begun begins again; one that had is crashed."""
    match run.state and run.state.type:
        case StateType.PENDING:
            return Scheduled(message="The process that should have begun this run is gone.")
        case StateType.CANCELLING:
            return Cancelled(message="The process of this run is gone.")
        case _:
            return Crashed(message="The process of this run is gone: it was killed together with its worker.")
