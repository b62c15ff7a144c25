"""Registered models, the champion pointer, and the journal entries of the gate's decisions."""

from __future__ import annotations

from prefect import task

from platforms.errors import NotFoundError
from platforms.selection import current
from platforms.values import ModelVersion
from tasks import facts, lineage
from tasks.evaluation import Verdict, numbers
from tasks.run import run_id
from tasks.training import Candidate


def opponent(candidate: Candidate) -> ModelVersion | None:
    """The champion that the gate holds a candidate against: that of this moment, None for a first model.

    If a run that was killed has registered the candidate, it may be the champion by now: then it is held against the
    one of before once more, which gives the verdict that was lost.
    """
    registry, job = current().registry, candidate.job
    made = next((model for model in registry.versions(job.recipe) if model.tags.get(lineage.JOB) == job.name), None)
    if made is None:
        return registry.champion(job.recipe)
    before = compared_with(made)
    return registry.get(job.recipe, before) if before else None


@task
def record_rejection(candidate: Candidate, verdict: Verdict) -> None:
    """Write the rejected candidate's numbers into the journal."""
    job = candidate.job
    current().journal.append(
        job.recipe,
        "rejected",
        reason=verdict.reason,
        flow_run=run_id(),
        details=numbers(verdict) | {"parameters": dict(job.parameters)},
    )


@task
def register_candidate(candidate: Candidate, verdict: Verdict, forced_because: str | None = None) -> ModelVersion:
    """Make the candidate the next model version; registering the same job twice gives the same version.

    `forced_because` is the reason that a person gave for promoting against the verdict.
    """
    platform, job = current(), candidate.job
    tags = dict(candidate.tags) | {"champion_compared": str(verdict.champion_version or "")}
    if forced_because is not None:
        tags["forced"] = forced_because
    model = platform.registry.register(job, candidate.outputs, tags)
    platform.journal.append(
        job.recipe,
        "registered" if forced_because is None else "forced",
        reason=verdict.reason if forced_because is None else forced_because,
        flow_run=run_id(),
        model_version=model.version,
        details=numbers(verdict) | {"parameters": dict(job.parameters)},
    )
    return model


@task
def find_model(recipe: str, version: int | None = None) -> ModelVersion:
    """The named or newest model version; raises `NotFoundError` with the versions that exist."""
    registry = current().registry
    if version is not None:
        return registry.get(recipe, version)
    versions = registry.versions(recipe)
    if not versions:
        raise NotFoundError(f"recipe {recipe} has no registered model: start a retrain first")
    return versions[-1]


@task
def record_superseded(model: ModelVersion, newer: int) -> None:
    """Write into the journal that a newer version was registered before this one's release."""
    current().journal.append(
        model.recipe,
        facts.SUPERSEDED,
        reason=f"model version {newer} is newer",
        flow_run=run_id(),
        model_version=model.version,
    )


@task
def record_overtaken(model: ModelVersion, verdict: Verdict) -> None:
    """Write into the journal that a registered model lost against a champion that came after its verdict."""
    current().journal.append(
        model.recipe,
        "rejected",
        reason=f"the champion changed before the release, and {verdict.reason}",
        flow_run=run_id(),
        model_version=model.version,
        details=numbers(verdict),
    )


def compared_with(model: ModelVersion) -> int | None:
    """The champion that the model's verdict named, None for a first model."""
    named = model.tags.get("champion_compared", "")
    return int(named) if named else None


def was_forced(model: ModelVersion) -> bool:
    """Whether a person registered the model against its verdict."""
    return "forced" in model.tags


def champion_version(recipe: str) -> int | None:
    """The version in production, None before the first release."""
    champion = current().registry.champion(recipe)
    return champion.version if champion else None


@task
def promote_champion(model: ModelVersion, expected: int | None) -> None:
    """Point the champion at the model if the champion still is `expected`; else raises `ConflictError`."""
    current().registry.promote(model.recipe, model.version, expected)
