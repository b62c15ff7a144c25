"""What the journal proves: which data was judged, which release is concluded, what serves where.

Runs and events may be lost; these answers rest on durable entries only, so every flow and `reconcile` can ask them.
Who asks several questions at once reads the journal once and passes its `entries` on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from platforms import journal
from platforms.selection import current
from platforms.values import EndpointSpec, Environment, Image, JournalEntry, ModelVersion

Entries = Sequence[JournalEntry]
JUDGED = ("registered", "rejected", "forced")
FAILED = ("rejected in qa", "rejected in prod")
"""Actions of a release whose endpoint failed its tests."""
LOST = (*FAILED, "rejected")
"""Actions after which a model version goes to production only if a person says so."""
SUPERSEDED = "superseded"
CONCLUDED = (*LOST, SUPERSEDED)


def read(recipe: str) -> Entries:
    """The recipe's journal, oldest entry first."""
    return current().journal.entries(recipe)


def judgements(recipe: str, entries: Entries | None = None) -> Iterator[JournalEntry]:
    """The gate's decisions on models with the recipe's default parameters, oldest first."""
    for entry in _known(recipe, entries):
        if entry.action in JUDGED and entry.details.get("parameters") == {}:
            yield entry


def judged_version(recipe: str, entries: Entries | None = None) -> int:
    """The newest dataset version on which a model with default parameters was judged; 0 if there is none."""
    return max((data_version(entry) for entry in judgements(recipe, entries)), default=0)


def data_version(entry: JournalEntry) -> int:
    """The dataset version that a gate's decision speaks of."""
    return int(str(entry.details["dataset_version"]))


def conclusion(recipe: str, version: int) -> JournalEntry | None:
    """The entry that ended the release of a model version, None while it is still to come."""
    return _conclusions(read(recipe)).get(version)


def unreleased(recipe: str, entries: Entries | None = None) -> list[ModelVersion]:
    """The model versions whose release is still to come, or to come again.

    It was killed after the champion had moved, or ended because of a newer version that has failed or lost since.
    """
    registry, entries = current().registry, _known(recipe, entries)
    models, champion, concluded = registry.versions(recipe), registry.champion(recipe), _conclusions(entries)
    again = {champion.version} if champion and not _is_newest_release(champion, entries) else set()
    newest = _newest_standing(models, entries)
    if newest and newest.version in concluded and concluded[newest.version].action == SUPERSEDED:
        again.add(newest.version)
    return [model for model in models if model.version not in concluded.keys() - again]


def newest_standing(recipe: str) -> ModelVersion | None:
    """The newest model version that has neither failed its release nor lost against a champion, None without one.

    One that was in production once stays standing.
    """
    return _newest_standing(current().registry.versions(recipe), read(recipe))


def _newest_standing(models: Sequence[ModelVersion], entries: Entries) -> ModelVersion | None:
    lost = {version for version, entry in _conclusions(entries).items() if entry.action in LOST}
    lost -= {entry.model_version for entry in entries if _is_release(entry)}
    return next((model for model in reversed(models) if model.version not in lost), None)


def _known(recipe: str, entries: Entries | None) -> Entries:
    return read(recipe) if entries is None else entries


def _conclusions(entries: Entries) -> dict[int, JournalEntry]:
    """The newest entry that ended a release, by model version."""
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
    return _is_newest_release(model, read(model.recipe))


def image_in_production(model: ModelVersion) -> Image | None:
    """The image by which a model version was in production last, None if it never was."""
    releases = [entry for entry in read(model.recipe) if _is_release(entry)]
    images = [entry.image for entry in releases if entry.model_version == model.version and entry.image]
    return Image.parse(images[-1]) if images else None


def _is_newest_release(model: ModelVersion, entries: Entries) -> bool:
    newest = next((entry for entry in reversed(entries) if _is_release(entry)), None)
    return newest is not None and newest.model_version == model.version


def serving(recipe: str, environment: Environment, entries: Entries | None = None) -> EndpointSpec | None:
    """What the endpoint shall serve by the newest entry that says so."""
    return journal.served(_known(recipe, entries)).get(environment)
