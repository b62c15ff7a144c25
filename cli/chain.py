"""Follow a batch or a retrain through the runs that it causes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import FlowRunSort

from platforms.protocols import Blob, PlatformError
from tasks.arrivals import start_validation
from tasks.run import DATASET, MODEL, tagged

Report = Callable[[str], None]

POLL: Final = 0.3
"""Seconds between two looks at the API."""
APPEARANCE: Final = 60.0
"""Seconds that an event may take to become a run."""
EFFECTS: Final = {"Accepted": ("retrain", "dataset_version"), "Registered": ("release", "model_version")}
"""The flow that an end state starts, and the parameter by which its run is known."""


class ChainError(PlatformError):
    """A run failed, or did not appear in time; the message names the flow and where to look."""


@dataclass(frozen=True)
class Stage:
    """One ended run: its flow, the name of its end state and its message, and the version that it made."""

    flow: str
    run: UUID
    outcome: str
    message: str
    made: int | None


def follow_batch(recipe: str, blob: Blob, report: Report, timeout: float) -> list[Stage]:
    """Wait for the validation of a landed blob and for the retrain and release that it causes.

    `timeout` in seconds bounds the whole chain; raises `ChainError`.
    """
    run = start_validation(recipe, blob)
    return _follow_all(recipe, "validate-data", run, report, timeout)


def follow_retrain(recipe: str, run: FlowRun, report: Report, timeout: float) -> list[Stage]:
    """Wait for a retrain and for the release that it causes; as `follow_batch`."""
    return _follow_all(recipe, "retrain", run, report, timeout)


def _follow_all(recipe: str, flow: str, run: FlowRun, report: Report, timeout: float) -> list[Stage]:
    deadline = time.monotonic() + timeout
    with get_client(sync_client=True) as client:
        stages = []
        for stage in _follow(client, recipe, flow, run, deadline):
            report(f"{stage.flow} {recipe}: {stage.outcome} - {stage.message}")
            stages.append(stage)
        return stages


def _follow(client: SyncPrefectClient, recipe: str, flow: str, run: FlowRun, deadline: float) -> Iterator[Stage]:
    stage = _ended(client, flow, run, deadline)
    yield stage
    if stage.outcome in EFFECTS:
        effect, parameter = EFFECTS[stage.outcome]
        caused = _caused(client, f"{effect}/{recipe}", parameter, stage.made, deadline)
        yield from _follow(client, recipe, effect, caused, deadline)


def _ended(client: SyncPrefectClient, flow: str, run: FlowRun, deadline: float) -> Stage:
    while time.monotonic() < deadline:
        run = client.read_flow_run(run.id)
        if run.state is not None and run.state.is_final():
            return _stage(flow, run, run.state)
        time.sleep(POLL)
    raise ChainError(f"{flow} run {run.name} did not end in time: look at it in the Prefect UI")


def _stage(flow: str, run: FlowRun, state: State) -> Stage:
    if state.is_failed() or state.is_crashed():
        raise ChainError(f"{flow} run {run.name} ended {state.name}: {state.message}")
    made = tagged(run.tags, DATASET if flow == "validate-data" else MODEL)
    return Stage(flow, run.id, state.name or "", state.message or "", int(made) if made else None)


def _caused(
    client: SyncPrefectClient, deployment: str, parameter: str, value: int | None, deadline: float
) -> FlowRun:
    """The run of `deployment` that an event started with `parameter` equal to `value`."""
    known = client.read_deployment_by_name(deployment)
    mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[known.id]))
    deadline = min(deadline, time.monotonic() + APPEARANCE)
    while time.monotonic() < deadline:
        runs = client.read_flow_runs(flow_run_filter=mine, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=50)
        for run in runs:
            if run.parameters.get(parameter) == value:
                return run
        time.sleep(POLL)
    raise ChainError(f"no run of {deployment} with {parameter}={value} appeared: is its event trigger on?")
