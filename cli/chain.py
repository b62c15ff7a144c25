"""Follow a batch or a retrain through what it causes, stage by stage.

What happened is read from durable facts (the journal, the landing folder), so a run that was killed and started anew
is followed like one that was not; the Prefect API only tells of runs that failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType

from platforms.protocols import Blob, JournalEntry, PlatformError
from tasks import facts, starting
from tasks.run import DATASET, MODEL, tagged
from tasks.starting import Want

Report = Callable[[str], None]

POLL: Final = 0.3
"""Seconds between two looks."""
OUTCOMES: Final = {"registered": "Registered", "forced": "Registered", "rejected": "NotPromoted"}


class ChainError(PlatformError):
    """A run failed, or did not end in time; the message names the flow and where to look."""


@dataclass(frozen=True)
class Stage:
    """One ended stage: its flow, how it ended, and why."""

    flow: str
    outcome: str
    message: str


class Follower:
    """Follows one recipe until a deadline; every stage is reported as it ends."""

    def __init__(self, recipe: str, report: Report, timeout: float) -> None:
        self._recipe = recipe
        self._report = report
        self._deadline = time.monotonic() + timeout
        self.stages: list[Stage] = []

    def batch(self, blob: Blob) -> list[Stage]:
        """Wait for the validation of a landed blob, and for the verdict and the release that it causes."""
        with get_client(sync_client=True) as client:
            run = self._validated(client, starting.validation(self._recipe, blob))
            if (version := tagged(run.tags, DATASET)) and run.state and run.state.name == "Accepted":
                self._judged(client, int(version))
        return self.stages

    def retrain(self, run: FlowRun) -> list[Stage]:
        """Wait for a retrain that somebody started, and for the release that it causes."""
        with get_client(sync_client=True) as client:
            state, tags = self._ended(client, run)
            self._add("retrain", state.name or "", state.message or "")
            if (model := tagged(tags, MODEL)) and state.name == "Registered":
                self._released(client, int(model))
        return self.stages

    def _validated(self, client: SyncPrefectClient, want: Want) -> FlowRun:
        """The run that ended the validation; a killed one gets a successor."""
        starting.first_attempt(want)
        while True:
            ended = starting.runs_about(client, want, (StateType.COMPLETED,))
            if ended:
                state = ended[0].state
                self._add("validate-data", (state and state.name) or "", (state and state.message) or "")
                return ended[0]
            self._fail_early(client, want)

    def _judged(self, client: SyncPrefectClient, version: int) -> None:
        want = starting.judgement(self._recipe, version)
        while not (entry := self._judgement(version)):
            self._fail_early(client, want)
        self._add("retrain", OUTCOMES[entry.action], entry.reason)
        if entry.model_version is not None:
            self._released(client, entry.model_version)

    def _judgement(self, version: int) -> JournalEntry | None:
        found = (entry for entry in facts.judgements(self._recipe) if facts.data_version(entry) >= version)
        return next(found, None)

    def _released(self, client: SyncPrefectClient, version: int) -> None:
        want = starting.conclusion(self._recipe, version)
        while not (entry := facts.conclusion(self._recipe, version)):
            self._fail_early(client, want)
        self._add("release", entry.action, f"model version {version}: {entry.reason}")

    def _ended(self, client: SyncPrefectClient, run: FlowRun) -> tuple[State, list[str]]:
        while True:
            run = client.read_flow_run(run.id)
            if run.state is not None and run.state.is_final():
                _require_success(run, run.state)
                return run.state, run.tags
            self._pause(f"retrain run {run.name}")

    def _fail_early(self, client: SyncPrefectClient, want: Want) -> None:
        """Raise if a run about the same thing has failed; then wait a moment."""
        for run in starting.runs_about(client, want, (StateType.FAILED,)):
            if run.state is not None:
                _require_success(run, run.state)
        self._pause(f"{want.deployment} with {want.parameter}={want.value}")

    def _pause(self, what: str) -> None:
        if time.monotonic() > self._deadline:
            raise ChainError(f"{what} did not end in time: look at it in the Prefect UI")
        time.sleep(POLL)

    def _add(self, flow: str, outcome: str, message: str) -> None:
        self._report(f"{flow} {self._recipe}: {outcome} - {message}")
        self.stages.append(Stage(flow, outcome, message))


def _require_success(run: FlowRun, state: State) -> None:
    if state.is_failed() or state.is_crashed():
        raise ChainError(f"run {run.name} ended {state.name}: {state.message}")
