"""Starting flow runs so that each wanted fact comes about once, whatever was killed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import SyncClientContext
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL
from pydantic import SecretStr

from platforms.values import Blob
from tasks.areas import batch_id

ATTEMPTS: Final = 3
"""Runs that are started for one missing fact before a person has to look."""
ANY: Final = tuple(StateType)
UNDER_WAY: Final = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)
SUBJECTS: Final = ("path", "at_least", "model_version")
"""The parameters that say what a run is about."""


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

    @property
    def attempts(self) -> list[str]:
        """The idempotency keys of its runs, in the order of their use."""
        return [f"{self.key}#{number}" for number in range(1, ATTEMPTS + 1)]


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
    client = _client()
    for key in want.attempts:
        run = _create(client, want, key)
        if run.state is None or not run.state.is_final():
            return run
    return None


def first_attempt(want: Want) -> FlowRun:
    """The run of an arrival that was just seen; the same arrival twice is one run."""
    return _create(_client(), want, want.attempts[0])


def attempts(want: Want) -> list[FlowRun]:
    """The runs that were started for a want, the first one first; those that an event started have other keys."""
    wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=want.attempts))
    runs = _client().read_flow_runs(flow_run_filter=wanted)
    return sorted(runs, key=lambda run: run.idempotency_key or "")


def is_exhausted(want: Want) -> bool:
    """Whether `ensure` would start nothing more: all attempts have ended, and nothing is under way."""
    ended = [run for run in attempts(want) if run.state is not None and run.state.is_final()]
    return len(ended) == ATTEMPTS and not runs_about(want, UNDER_WAY)


def start_retrain(recipe: str, parameters: Mapping[str, object]) -> FlowRun:
    """A new retrain run, as the UI's form starts one."""
    client = _client()
    deployment = client.read_deployment_by_name(f"retrain/{recipe}")
    return client.create_flow_run_from_deployment(deployment.id, parameters={"recipe": recipe, **parameters})


def is_published(recipe: str) -> bool:
    """Whether the recipe has its deployments; `publish` makes that of `reconcile` last."""
    try:
        _client().read_deployment_by_name(f"reconcile/{recipe}")
    except ObjectNotFound:
        return False
    return True


def greet_server() -> None:
    """Raises `httpx.HTTPError` if the server does not answer."""
    _client().hello().raise_for_status()


def read(run: UUID) -> FlowRun:
    """A run as it is now."""
    return _client().read_flow_run(run)


def runs_about(want: Want, types: tuple[StateType, ...]) -> list[FlowRun]:
    """Runs in one of the state types that are about the same thing, whatever started them, newest first.

    A retrain that waits takes the newest data when it begins, so any `at_least` is about the same thing.
    """
    client = _client()
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[client.read_deployment_by_name(want.deployment).id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))),
    )
    runs = client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
    return [run for run in runs if _is_about(run.parameters.get(want.parameter), want)]


def under_way(recipe: str) -> list[FlowRun]:
    """The recipe's runs that are not over and are about something; those that the clock starts are about nothing."""
    runs = _client().read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(UNDER_WAY)))),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[recipe])),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )
    return [run for run in runs if any(run.parameters.get(name) is not None for name in SUBJECTS)]


def _client() -> SyncPrefectClient:
    """The flow run's, or else one that is kept: to make one reads all certificate authorities, which takes 20 ms."""
    if SyncClientContext.get():
        return get_client(sync_client=True)
    return _kept_client(PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value())


@cache
def _kept_client(_url: str | None, _auth: SecretStr | None) -> SyncPrefectClient:
    return get_client(sync_client=True)


def _is_about(value: object, want: Want) -> bool:
    return value == want.value or (want.parameter == "at_least" and value is not None)


def _create(client: SyncPrefectClient, want: Want, key: str) -> FlowRun:
    deployment = client.read_deployment_by_name(want.deployment)
    parameters = {"recipe": want.recipe, want.parameter: want.value}
    return client.create_flow_run_from_deployment(deployment.id, parameters=parameters, idempotency_key=key)
