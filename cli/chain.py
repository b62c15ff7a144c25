"""Follow a batch or a retrain through what it causes, stage by stage.

What happened is read from durable facts (the journal, the landing folder), so a run that was killed and started anew
is followed like one that was not; the Prefect API only tells of runs that failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import httpx
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from platforms.errors import PlatformError
from platforms.values import Blob, JournalEntry
from tasks import areas, facts, reconciling, starting
from tasks.run import DATASET, MODEL, tagged
from tasks.starting import Want

Report = Callable[[str], None]
Answer = TypeVar("Answer")

POLL: Final = 0.3
"""Seconds between two looks at the facts."""
ASK: Final = 2.0
"""Seconds between two questions to the server whether something failed meanwhile."""
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
    """Follows one recipe until a deadline; every stage is reported as it ends.

    What failed before it began is the past: it does not count.
    """

    def __init__(self, recipe: str, report: Report, timeout: float) -> None:
        self._recipe = recipe
        self._report = report
        self._began = datetime.now(UTC)
        self._deadline = time.monotonic() + timeout
        self._awaited: set[str] = set()
        self._asks_from = 0.0
        self.stages: list[Stage] = []

    def batch(self, blob: Blob) -> list[Stage]:
        """Wait for the validation of a landed blob, and for the verdict and the release that it causes."""
        version = self._validated(blob)
        if version is not None:
            self._judged(version)
        return self.stages

    def retrain(self, run: FlowRun) -> list[Stage]:
        """Wait for a retrain that somebody started, and for the release that it causes."""
        ended = self._ended(run)
        state = ended.state
        self._add("retrain", (state and state.name) or "", (state and state.message) or "")
        if model := tagged(ended.tags, MODEL):
            self._released(int(model))
        return self.stages

    def rest(self) -> None:
        """Wait until nothing is missing and nothing is under way, whoever started it."""
        while awaited := self._missing() or self._under_way():
            for what in awaited:
                if what not in self._awaited:
                    self._awaited.add(what)
                    self._report(f"waiting for {what}")
            self._pause(awaited[0])

    def _missing(self) -> list[str]:
        wants = reconciling.missing(self._recipe)
        for want in wants:
            self._require_attempts(want)
        return [_told(want) for want in wants]

    def _under_way(self) -> list[str]:
        return [f"run {run.name}" for run in self._ask(lambda: starting.under_way(self._recipe))]

    def _validated(self, blob: Blob) -> int | None:
        """Wait until the batch is validated; returns the dataset version that it made. A killed run has a successor.

        Runs about the same path may be about another file that landed there before, so only the attempts count; if
        all of them are over, a run that a person started may have filed this one.
        """
        want = starting.validation(self._recipe, blob)
        self._ask(lambda: starting.first_attempt(want))
        while not (ended := _completed(attempts := self._ask(lambda: starting.attempts(want)))):
            if _are_over(attempts) and (report := areas.report_of(blob)):
                self._add("validate-data", report["state"], report["reason"])
                return report["dataset_version"] if report["state"] == "Accepted" else None
            self._fail_early(want, lambda: attempts)
        run, state = ended[-1], ended[-1].state
        self._add("validate-data", (state and state.name) or "", (state and state.message) or "")
        version = tagged(run.tags, DATASET)
        return int(version) if version and state and state.name == "Accepted" else None

    def _judged(self, version: int) -> None:
        want = starting.judgement(self._recipe, version)
        while not (entry := self._judgement(version)):
            self._fail_early(want, lambda: self._failed(want))
        self._add("retrain", OUTCOMES[entry.action], entry.reason)
        if entry.model_version is not None:
            self._released(entry.model_version)

    def _judgement(self, version: int) -> JournalEntry | None:
        found = (entry for entry in facts.judgements(self._recipe) if facts.data_version(entry) >= version)
        return next(found, None)

    def _released(self, version: int) -> None:
        want = starting.conclusion(self._recipe, version)
        while not (entry := facts.conclusion(self._recipe, version)):
            self._fail_early(want, lambda: self._failed(want))
        self._add("release", entry.action, f"model version {version}: {entry.reason}")
        if entry.action in facts.FAILED:
            raise ChainError(refusal(entry))

    def _ended(self, run: FlowRun) -> FlowRun:
        while True:
            now = self._ask(lambda: starting.read(run.id))
            if now.state is not None and now.state.is_final():
                _require_success(now)
                return now
            self._pause(f"retrain run {run.name}")

    def _failed(self, want: Want) -> list[FlowRun]:
        """Failed runs about the same thing, whatever started them."""
        runs = self._ask(lambda: starting.runs_about(want, (StateType.FAILED,)))
        return [run for run in runs if _covers(run, want)]

    def _fail_early(self, want: Want, runs: Callable[[], Iterable[FlowRun]]) -> None:
        """Now and then raise if one of the runs has failed, or if no further one will be started; wait a moment."""
        if time.monotonic() >= self._asks_from:
            self._asks_from = time.monotonic() + ASK
            for run in runs():
                if run.state is not None and run.state.is_failed() and run.state.timestamp >= self._began:
                    _require_success(run)
            self._require_attempts(want)
        self._pause(_told(want))

    def _require_attempts(self, want: Want) -> None:
        """Raise if all attempts have ended in vain. The last one may have succeeded since somebody looked."""
        if self._ask(lambda: starting.is_exhausted(want)) and want in reconciling.missing(self._recipe):
            raise ChainError(
                f"{_told(want)} was tried {starting.ATTEMPTS} times in vain: see these runs in the Prefect UI, mend "
                f"the cause, then `prefect deployment run {want.deployment} -p {want.parameter}={want.value}`"
            )

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask the server until it answers, for it may be starting again; raises `ChainError` if it cannot tell."""
        while True:
            try:
                return question()
            except httpx.TransportError as error:
                self._pause(f"the Prefect server ({error})")
            except httpx.HTTPStatusError as error:
                refused = f"{error.request.url} with {error.response.status_code}"
                raise ChainError(f"the Prefect server refuses {refused}: see `ridgeline doctor`") from error
            except ObjectNotFound as error:
                raise ChainError(
                    f"the Prefect server lacks a deployment of {self._recipe}, or a run that was there: "
                    "`ridgeline deploy` publishes the deployments"
                ) from error

    def _pause(self, what: str) -> None:
        if time.monotonic() > self._deadline:
            raise ChainError(f"{what} did not end in time: look at it in the Prefect UI")
        time.sleep(POLL)

    def _add(self, flow: str, outcome: str, message: str) -> None:
        self._report(f"{flow} {self._recipe}: {outcome} - {message}")
        self.stages.append(Stage(flow, outcome, message))


def refusal(entry: JournalEntry) -> str:
    """What to say of a release that failed its tests, with the next step."""
    what = f"model version {entry.model_version} of {entry.recipe} was {entry.action}: {entry.reason}"
    again = f"prefect deployment run release/{entry.recipe} -p model_version={entry.model_version}"
    return f"{what}; mend the cause, then `{again}`"


def _completed(runs: Iterable[FlowRun]) -> list[FlowRun]:
    return [run for run in runs if run.state is not None and run.state.is_completed()]


def _are_over(runs: Iterable[FlowRun]) -> bool:
    return all(run.state is not None and run.state.is_final() for run in runs)


def _covers(run: FlowRun, want: Want) -> bool:
    """Whether the run would have brought the fact about: a retrain on later data does as well."""
    value = run.parameters.get(want.parameter)
    if want.parameter == "at_least" and isinstance(value, int) and isinstance(want.value, int):
        return value >= want.value
    return value == want.value


def _told(want: Want) -> str:
    return f"{want.deployment} with {want.parameter}={want.value}"


def _require_success(run: FlowRun) -> None:
    state = run.state
    if state is not None and (state.is_failed() or state.is_crashed()):
        raise ChainError(f"run {run.name} ended {state.name}: {state.message}")
