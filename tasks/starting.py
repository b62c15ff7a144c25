"""Starting flow runs so that each wanted fact comes about once, whatever was killed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from platforms.values import Blob
from tasks.data import batch_id

ATTEMPTS: Final = 3
"""Runs that are started for one missing fact before a person has to look."""
ANY: Final = tuple(StateType)
UNDER_WAY: Final = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)


@dataclass(frozen=True)
class Want:
    """A run that shall exist: its flow, and the one parameter that says what it is about."""

    flow: str
    recipe: str
    parameter: str
    value: str | int
    key: str

    @property
    def deployment(self) -> str:
        """The deployment to run."""
        return f"{self.flow}/{self.recipe}"


def validation(recipe: str, blob: Blob) -> Want:
    """The validation of an arrival: the same path with other content is another one."""
    return Want("validate-data", recipe, "path", blob.path, f"{recipe}:{batch_id(blob)}")


def judgement(recipe: str, dataset_version: int) -> Want:
    """A retrain on a dataset version or a later one."""
    return Want("retrain", recipe, "at_least", dataset_version, f"{recipe}:data-{dataset_version}")


def conclusion(recipe: str, model_version: int) -> Want:
    """The release of a registered model version."""
    return Want("release", recipe, "model_version", model_version, f"{recipe}:model-{model_version}")


def ensure(want: Want) -> FlowRun | None:
    """The run that brings the wanted fact about: one that is under way, or else a new attempt.

    Prefect returns the old run for a known idempotency key, also a dead one, so each attempt has a key of its own.
    None when all attempts have ended and the fact is still missing.
    """
    for run in runs_about(want, UNDER_WAY):
        return run
    with get_client(sync_client=True) as client:
        for attempt in range(1, ATTEMPTS + 1):
            run = _create(client, want, _key(want, attempt))
            if run.state is None or not run.state.is_final():
                return run
    return None


def is_expected(want: Want) -> bool:
    """Whether the run that brings the wanted fact about is under way or still to be started."""
    runs = runs_about(want, ANY)
    attempted = {run.idempotency_key for run in runs} >= {_key(want, attempt) for attempt in range(1, ATTEMPTS + 1)}
    return not attempted or any(run.state_type in UNDER_WAY for run in runs)


def first_attempt(want: Want) -> FlowRun:
    """The run of an arrival that was just seen; the same arrival twice is one run."""
    with get_client(sync_client=True) as client:
        return _create(client, want, _key(want, 1))


def start_retrain(recipe: str, parameters: Mapping[str, object]) -> FlowRun:
    """A new retrain run, as the UI's form starts one."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"retrain/{recipe}")
        return client.create_flow_run_from_deployment(deployment.id, parameters={"recipe": recipe, **parameters})


def greet_server() -> None:
    """Raises `httpx.HTTPError` if the server does not answer."""
    with get_client(sync_client=True) as client:
        client.hello().raise_for_status()


def read(run: UUID) -> FlowRun:
    """A run as it is now."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def runs_about(want: Want, types: tuple[StateType, ...]) -> list[FlowRun]:
    """Runs in one of the state types that are about the same thing, whatever started them, newest first.

    A retrain that waits takes the newest data when it begins, so any `at_least` is about the same thing.
    """
    with get_client(sync_client=True) as client:
        wanted = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[client.read_deployment_by_name(want.deployment).id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))),
        )
        runs = client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
    return [run for run in runs if _is_about(run.parameters.get(want.parameter), want)]


def _key(want: Want, attempt: int) -> str:
    return f"{want.key}#{attempt}"


def _is_about(value: object, want: Want) -> bool:
    return value == want.value or (want.parameter == "at_least" and value is not None)


def _create(client: SyncPrefectClient, want: Want, key: str) -> FlowRun:
    deployment = client.read_deployment_by_name(want.deployment)
    parameters = {"recipe": want.recipe, want.parameter: want.value}
    return client.create_flow_run_from_deployment(deployment.id, parameters=parameters, idempotency_key=key)
