"""A server and a journal that say what a test wrote down, for whoever follows runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Completed, Failed

from cli import chain
from platforms.values import Blob, Environment, JournalEntry
from tasks import areas, facts, reconciling, starting
from tasks.run import DATASET
from tasks.starting import Want

BLOB = Blob("landing/diabetes/0f/rows.csv", 10, "etag-2")
EARLIER = datetime.now(UTC) - timedelta(hours=1)


def run_of(state: State, tags: tuple[str, ...] = (), parameters: Mapping[str, object] | None = None) -> FlowRun:
    """A run as the server would tell of it."""
    return FlowRun(flow_id=uuid4(), name="a run", state=state, tags=list(tags), parameters=dict(parameters or {}))


def accepted(version: int) -> FlowRun:
    """A validation whose rows are in the table."""
    return run_of(Completed(name="Accepted", message="40 rows"), tags=(f"{DATASET}:{version}",))


def failed(at: datetime | None = None, **parameters: object) -> FlowRun:
    """A run that failed, just now unless something else is said."""
    state: State = Failed(message="singular matrix")
    return run_of(state if at is None else state.model_copy(update={"timestamp": at}), parameters=parameters)


def entry(
    action: str,
    version: int | None = None,
    environment: Environment | None = None,
    data: int = 0,
    at: datetime | None = None,
) -> JournalEntry:
    """An entry of the journal; `data` is the dataset version of a judgement."""
    details = {"parameters": {}, "dataset_version": data} if action in facts.JUDGED else {}
    at = at or datetime.now(UTC) + timedelta(minutes=1)
    return JournalEntry(1, at, "diabetes", action, version, environment, None, "a reason", "run", details, "", "")


@dataclass
class Script:
    """What is known: attempts of wants, other runs, journal, what is missing, the report of the batch.

    `then` happens while one waits.
    """

    attempts: list[FlowRun] = field(default_factory=list)
    others: list[FlowRun] = field(default_factory=list)
    entries: list[JournalEntry] = field(default_factory=list)
    missing: list[Want] = field(default_factory=list)
    filed: dict[str, object] | None = None
    under_way: list[FlowRun] = field(default_factory=list)
    exhausted: bool = False
    then: list[Callable[[], object]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def report(self, line: str) -> None:
        self.lines.append(line)

    def runs_about(self, want: Want, types: tuple[StateType, ...]) -> list[FlowRun]:
        return [
            run for run in self.others if run.state and run.state.type in types and want.parameter in run.parameters
        ]

    def judgements(self, recipe: str) -> Iterator[JournalEntry]:
        return (found for found in self.entries if found.action in facts.JUDGED)

    def conclusion(self, recipe: str, version: int) -> JournalEntry | None:
        concluding = {*facts.CONCLUDED, "released"} - {"rejected"}
        mine = [found for found in self.entries if found.model_version == version and found.action in concluding]
        return mine[-1] if mine else None

    def wait(self, seconds: float) -> None:
        """The moment between two looks; a test that waits for more than it wrote down fails."""
        assert self.then, "nothing more happens"
        self.then.pop(0)()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """An empty script in the place of server and journal."""
    made = Script()
    monkeypatch.setattr(chain, "ASK", 0.0)
    monkeypatch.setattr(starting, "first_attempt", lambda _: None)
    monkeypatch.setattr(starting, "attempts", lambda _: made.attempts)
    monkeypatch.setattr(starting, "runs_about", made.runs_about)
    monkeypatch.setattr(starting, "is_exhausted", lambda _: made.exhausted)
    monkeypatch.setattr(starting, "under_way", lambda _: list(made.under_way))
    monkeypatch.setattr(areas, "report_of", lambda *_: made.filed)
    monkeypatch.setattr(reconciling, "missing", lambda _: list(made.missing))
    monkeypatch.setattr(facts, "judgements", made.judgements)
    monkeypatch.setattr(facts, "conclusion", made.conclusion)
    monkeypatch.setattr(time, "sleep", made.wait)
    return made
