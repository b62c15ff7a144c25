"""What the journal proves: which data was judged, which release is concluded, what serves where.

Runs and events may be lost; these answers rest on durable entries only, so every flow and `reconcile` can ask them.
"""

from __future__ import annotations

from collections.abc import Iterator

from platforms import journal
from platforms.selection import current
from platforms.values import EndpointSpec, Environment, JournalEntry, ModelVersion

JUDGED = ("registered", "rejected", "forced")
FAILED = ("rejected in qa", "rejected in prod")
"""Actions of a release whose endpoint failed its tests."""
CONCLUDED = (*FAILED, "rejected", "superseded")


def judgements(recipe: str) -> Iterator[JournalEntry]:
    """The gate's decisions on models with the recipe's default parameters, oldest first."""
    for entry in current().journal.entries(recipe):
        if entry.action in JUDGED and entry.details.get("parameters") == {}:
            yield entry


def judged_version(recipe: str) -> int:
    """The newest dataset version on which a model with default parameters was judged; 0 if there is none."""
    return max((data_version(entry) for entry in judgements(recipe)), default=0)


def data_version(entry: JournalEntry) -> int:
    """The dataset version that a gate's decision speaks of."""
    return int(str(entry.details["dataset_version"]))


def conclusion(recipe: str, version: int) -> JournalEntry | None:
    """The entry that ended the release of a model version, None while it is still to come."""
    return _conclusions(recipe).get(version)


def unreleased(recipe: str) -> list[ModelVersion]:
    """The model versions whose release is still to come, or was killed after the champion had moved."""
    concluded, champion = _conclusions(recipe), current().registry.champion(recipe)
    lost = {champion.version} if champion and not is_released(champion) else set()
    return [model for model in current().registry.versions(recipe) if model.version not in concluded.keys() - lost]


def _conclusions(recipe: str) -> dict[int, JournalEntry]:
    """The newest entry that ended a release, by model version."""
    entries = current().journal.entries(recipe)
    return {entry.model_version: entry for entry in entries if entry.model_version and _concludes(entry)}


def _concludes(entry: JournalEntry) -> bool:
    return entry.action in CONCLUDED or _is_release(entry)


def _is_release(entry: JournalEntry) -> bool:
    return entry.action == journal.RELEASED and entry.environment == "prod"


def is_released(model: ModelVersion) -> bool:
    """Whether the model version is the champion and the newest release in the journal is its own.

    An older one may be of a time before another version was the champion.
    """
    champion = current().registry.champion(model.recipe)
    if champion is None or champion.version != model.version:
        return False
    releases = [entry for entry in current().journal.entries(model.recipe) if _is_release(entry)]
    return bool(releases) and releases[-1].model_version == model.version


def serving(recipe: str, environment: Environment) -> EndpointSpec | None:
    """What the endpoint shall serve by the newest entry that says so."""
    return journal.served(current().journal.entries(recipe)).get(environment)
