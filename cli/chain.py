"""Follow a batch or a retrain through what it causes, stage by stage.

What happened is read from durable facts (the journal, the landing folder), so a run that was killed and started anew
is followed like one that was not; the Prefect API only tells of runs that failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx
from prefect.client.schemas.objects import FlowRun, StateType

from platforms.errors import PlatformError
from platforms.values import Blob, JournalEntry
from tasks import facts, starting
from tasks.run import DATASET, MODEL, tagged
from tasks.starting import Want

Report = Callable[[str], None]
Answer = TypeVar("Answer")

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
        run = self._validated(starting.validation(self._recipe, blob))
        if (version := tagged(run.tags, DATASET)) and run.state and run.state.name == "Accepted":
            self._judged(int(version))
        return self.stages

    def retrain(self, run: FlowRun) -> list[Stage]:
        """Wait for a retrain that somebody started, and for the release that it causes."""
        ended = self._ended(run)
        state = ended.state
        self._add("retrain", (state and state.name) or "", (state and state.message) or "")
        if model := tagged(ended.tags, MODEL):
            self._released(int(model))
        return self.stages

    def _validated(self, want: Want) -> FlowRun:
        """The run that ended the validation; a killed one gets a successor."""
        self._ask(lambda: starting.first_attempt(want))
        while not (ended := self._ask(lambda: starting.runs_about(want, (StateType.COMPLETED,)))):
            self._fail_early(want)
        state = ended[0].state
        self._add("validate-data", (state and state.name) or "", (state and state.message) or "")
        return ended[0]

    def _judged(self, version: int) -> None:
        want = starting.judgement(self._recipe, version)
        while not (entry := self._judgement(version)):
            self._fail_early(want)
        self._add("retrain", OUTCOMES[entry.action], entry.reason)
        if entry.model_version is not None:
            self._released(entry.model_version)

    def _judgement(self, version: int) -> JournalEntry | None:
        found = (entry for entry in facts.judgements(self._recipe) if facts.data_version(entry) >= version)
        return next(found, None)

    def _released(self, version: int) -> None:
        want = starting.conclusion(self._recipe, version)
        while not (entry := facts.conclusion(self._recipe, version)):
            self._fail_early(want)
        self._add("release", entry.action, f"model version {version}: {entry.reason}")

    def _ended(self, run: FlowRun) -> FlowRun:
        while True:
            now = self._ask(lambda: starting.read(run.id))
            if now.state is not None and now.state.is_final():
                _require_success(now)
                return now
            self._pause(f"retrain run {run.name}")

    def _fail_early(self, want: Want) -> None:
        """Raise if a run about the same thing has failed; then wait a moment."""
        for run in self._ask(lambda: starting.runs_about(want, (StateType.FAILED,))):
            _require_success(run)
        self._pause(f"{want.deployment} with {want.parameter}={want.value}")

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask the server until it answers: it may be starting again."""
        while True:
            try:
                return question()
            except httpx.TransportError as error:
                self._pause(f"the Prefect server ({error})")

    def _pause(self, what: str) -> None:
        if time.monotonic() > self._deadline:
            raise ChainError(f"{what} did not end in time: look at it in the Prefect UI")
        time.sleep(POLL)

    def _add(self, flow: str, outcome: str, message: str) -> None:
        self._report(f"{flow} {self._recipe}: {outcome} - {message}")
        self.stages.append(Stage(flow, outcome, message))


def _require_success(run: FlowRun) -> None:
    state = run.state
    if state is not None and (state.is_failed() or state.is_crashed()):
        raise ChainError(f"run {run.name} ended {state.name}: {state.message}")
