"""The demo's story: a first model, a better one, and one that is not good enough; and its summary.

Run by the services' launcher, as `python -m cli.story STARTED`, a time of the monotonic clock, which all processes
share.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click
import httpx

from cli.bootstrap import land_rows, publish_all
from cli.chain import Follower, Report, Stage
from cli.demo import timed
from cli.services import plain_errors
from platforms.endpoint_keys import api_key
from platforms.errors import PlatformError
from platforms.selection import current
from platforms.settings import Settings
from platforms.values import EndpointStatus, JournalEntry
from recipes import catalog
from tasks import claim
from tasks.starting import start_retrain

RECIPE: Final = "diabetes"
FIRST_ROWS: Final = 120
WORSE: Final = {"alpha": 1000.0}
TIMEOUT: Final = 3600.0
"""Seconds that one chapter may take: on an Azure that is new, a training job alone waits ten minutes and more."""


class StoryError(PlatformError):
    """A chapter ended otherwise than it should; the message names the run and its end."""


def play(settings: Settings, report: Report) -> None:
    """Run the three chapters; raises `StoryError`, or `ChainError` when a run fails."""
    if current().journal.entries(RECIPE):
        raise StoryError(f"the demo begins with nothing, but {RECIPE} has a journal: go on by `ridgeline up`")
    claim.require()
    publish_all(settings)
    report(f"a first batch of {FIRST_ROWS} rows lands")
    _expect("released", _land("first.csv", slice(FIRST_ROWS), report))
    report("the remaining rows land")
    _expect("released", _land("second.csv", slice(FIRST_ROWS, None), report))
    report(f"a candidate with {WORSE} is trained")
    _expect("NotPromoted", _retrain(WORSE, report))


def _land(name: str, rows: slice, report: Report) -> list[Stage]:
    return Follower(RECIPE, report, TIMEOUT).batch(land_rows(RECIPE, name, rows))


def _retrain(parameters: Mapping[str, float], report: Report) -> list[Stage]:
    return Follower(RECIPE, report, TIMEOUT).retrain(start_retrain(RECIPE, parameters))


def _expect(outcome: str, stages: list[Stage]) -> None:
    last = stages[-1]
    if last.outcome != outcome:
        raise StoryError(f"{last.flow} ended {last.outcome}, expected {outcome}: {last.message}")


def summary(settings: Settings) -> str:
    """Verdicts with their numbers, model versions, URLs, and a curl line with the answer that it just gave."""
    return "\n".join(["", *_decisions(), *_versions(), *_addresses(settings), *_conversation(), ""])


def _decisions() -> Iterator[str]:
    for entry in current().journal.entries(RECIPE):
        if "decision" in entry.details:
            yield f"{entry.action:12} {_numbers(entry)}"


def _numbers(entry: JournalEntry) -> str:
    what = entry.details
    candidate = f"{what['metric']} {what['candidate']:.1f}"
    if what["champion"] is None:
        return f"version {entry.model_version}: {candidate} ({entry.reason})"
    name = f"version {entry.model_version}" if entry.model_version else "candidate"
    return (
        f"{name}: {candidate} against {what['champion']:.1f} of champion {what['champion_version']}; improvement "
        f"{what['improvement']:.1f}, {what['confidence']:.0%} bounds [{what['lower_bound']:.1f}, "
        f"{what['upper_bound']:.1f}] ({entry.reason})"
    )


def _versions() -> Iterator[str]:
    registry = current().registry
    champion = registry.champion(RECIPE)
    for model in registry.versions(RECIPE):
        mark = " = champion" if model == champion else ""
        yield f"{'model':12} {RECIPE} {model.version}, dataset version {model.tags['dataset_version']}{mark}"


def _addresses(settings: Settings) -> Iterator[str]:
    for status in _served():
        yield f"{status.environment:12} {status.url} serves {status.image.name}"
    yield f"{'Prefect UI':12} {settings.prefect_url}"


def _served() -> list[EndpointStatus]:
    endpoints = current().endpoints
    statuses = [endpoints.status(RECIPE, "qa"), endpoints.status(RECIPE, "prod")]
    return [status for status in statuses if status]


def _conversation() -> Iterator[str]:
    """The curl line for the last endpoint, and what it prints."""
    status = _served()[-1]
    recipe = catalog.load(RECIPE)
    row = recipe.seed_data().iloc[0][list(recipe.features)].round(4).to_dict()
    body = json.dumps({"data": [row]})
    key = f"$({os.path.relpath(Path(sys.executable).with_name('ridgeline'))} key {RECIPE})"
    yield f"ask it       curl -s {status.url}/score -H \"Authorization: Bearer {key}\" -d '{body}'"
    yield f"its answer   {_ask(status, body)}"


def _ask(status: EndpointStatus, body: str) -> str:
    headers = {"authorization": f"Bearer {api_key(current().secrets, status.recipe, status.environment)}"}
    return httpx.post(f"{status.url}/score", content=body, headers=headers, trust_env=False, timeout=30).text.strip()


@click.command()
@click.argument("started", type=float)
def main(started: float) -> None:
    """Play the story on the installation that the environment names, then say it in short."""
    settings, report = Settings(), timed(started)
    with plain_errors():
        play(settings, report)
        report("the loop is closed; in short:")
        click.echo(summary(settings))


if __name__ == "__main__":
    main()
