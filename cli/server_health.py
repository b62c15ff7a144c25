"""What the Prefect server tells about an installation: itself, work pool, deployments, runs that keep failing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import yaml
from prefect import __version__ as prefect_version
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from platforms.local.diagnosis import Check
from platforms.settings import Settings
from recipes import catalog
from tasks import publishing, reconciling, revision, starting

FINAL: Final = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
TOLD: Final = 300
"""Characters of a run's message."""
STREAK: Final = 3
"""Failures in a row that are worth a warning."""


def check(settings: Settings) -> Iterator[Check]:
    """Ask the server of an installation that runs; raises httpx's errors when it cannot be asked."""
    with get_client(sync_client=True) as client:
        if error := client.api_healthcheck():
            yield Check(
                "server", "problem", f"{settings.prefect_url} does not answer: {error}", "see `ridgeline status`"
            )
            return
        yield _server(client, settings)
        yield _pool(client, settings)
        published = client.read_deployments()
        yield from _deployments(published)
        yield from _given_up()
        yield from _failing(client, published)


def _server(client: SyncPrefectClient, settings: Settings) -> Check:
    version = client.api_version()
    if version != prefect_version:
        text = f"{settings.prefect_url} is Prefect {version}, this is {prefect_version}"
        return Check("server", "problem", text, "`ridgeline down` and `ridgeline up`")
    return Check("server", "ok", f"{settings.prefect_url} answers, Prefect {version}")


def _pool(client: SyncPrefectClient, settings: Settings) -> Check:
    name = settings.work_pool
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        return Check("work pool", "problem", f"{name} does not exist", "`ridgeline down` and `ridgeline up` make it")
    if pool.is_paused:
        return Check("work pool", "problem", f"{name} is paused", f"`prefect work-pool resume {name}`")
    if pool.status is None or pool.status.value != "READY":
        return Check("work pool", "problem", f"no worker polls {name}", "see `ridgeline status` and worker.log")
    return Check("work pool", "ok", f"{name} is ready for {pool.concurrency_limit} runs at a time")


def _deployments(published: Sequence[DeploymentResponse]) -> Iterator[Check]:
    found = {(deployment.entrypoint or "", deployment.name): deployment for deployment in published}
    wanted = _wanted()
    present = [found[key] for key in wanted if key in found]
    if missing := [f"{entrypoint} for {name}" for entrypoint, name in wanted if (entrypoint, name) not in found]:
        yield Check("deployments", "problem", f"not published: {', '.join(missing)}", "`ridgeline deploy`")
    if paused := [f"{deployment.entrypoint} for {deployment.name}" for deployment in present if deployment.paused]:
        yield Check("deployments", "warning", f"paused: {', '.join(paused)}", "resume them in the Prefect UI")
    if old := sorted({commit for deployment in present if (commit := _other_commit(deployment))}):
        text = f"published at {', '.join(old)}, and the clone is at {(revision.commit() or '')[:12]}"
        yield Check("deployments", "warning", text, "`ridgeline deploy`, or run build/default")
    if not (missing or paused or old):
        yield Check("deployments", "ok", f"all {len(wanted)} are published")


def _wanted() -> list[tuple[str, str]]:
    """Entrypoint and name of every deployment that `ridgeline deploy` publishes."""
    nodes = publishing.expand(yaml.safe_load(publishing.DEFINITION.read_text()), catalog.names())["deployments"]
    listed = nodes if isinstance(nodes, list) else []
    return [(str(node["entrypoint"]), str(node["name"])) for node in listed if isinstance(node, Mapping)]


def _other_commit(deployment: DeploymentResponse) -> str | None:
    """The commit that a deployment was published at, shortened, if the clone is at another one."""
    published, here = (deployment.version or "").removesuffix("-dirty"), revision.commit()
    return published[:12] if here and published and published != here else None


def _given_up() -> Iterator[Check]:
    """What is missing and was tried as often as `reconcile` tries."""
    for want in (want for recipe in catalog.names() for want in reconciling.missing(recipe)):
        if starting.is_exhausted(want):
            runs = starting.attempts(want)
            text = f"{want.deployment} with {want.parameter}={want.value} failed {len(runs)} times: {_why(runs[-1])}"
            again = f"prefect deployment run {want.deployment} -p {want.parameter}='{want.value}'"
            yield Check("runs", "problem", text, f"mend the cause, then `{again}`")


def _failing(client: SyncPrefectClient, published: Sequence[DeploymentResponse]) -> Iterator[Check]:
    """Deployments whose last runs all failed."""
    over = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=FINAL)))
    steady = True
    for deployment in published:
        runs = client.read_flow_runs(
            flow_run_filter=over,
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
            sort=FlowRunSort.END_TIME_DESC,
            limit=STREAK,
        )
        if len(runs) == STREAK and all(_has_failed(run) for run in runs):
            steady = False
            text = f"the last {STREAK} runs of {deployment.entrypoint} for {deployment.name} failed: {_why(runs[0])}"
            yield Check("runs", "warning", text, "read their logs in the Prefect UI or below logs/ in the storage")
    if steady:
        yield Check("runs", "ok", f"no deployment failed {STREAK} times in a row")


def _has_failed(run: FlowRun) -> bool:
    return run.state is not None and (run.state.is_failed() or run.state.is_crashed())


def _why(run: FlowRun) -> str:
    """The beginning of a run's last message, and its end: the cause of a job's failure is its last line."""
    text = " ".join(((run.state and run.state.message) or "without a message").split())
    return text if len(text) <= TOLD else f"{text[: TOLD // 3]} … {text[-TOLD // 3 * 2 :]}"
