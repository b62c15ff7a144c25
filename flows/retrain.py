"""Train on the newest data, hold the candidate against the champion, and register it if it is better.

Each recipe has a retrain flow of its own, because its parameters are fields of the form in the UI and options of
`prefect deployment run`. `retrain` is the default recipe's, `flow_of` makes any other's, and a deployment names it
as an attribute of this module: `flows/retrain.py:wine`.
"""

from __future__ import annotations

import inspect
from typing import Any

from prefect import Flow, flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from platforms.values import Parameter
from recipes import catalog
from tasks import data, evaluation, facts, registration, reporting, training
from tasks.archive import archived
from tasks.publishing import DEFAULT_RECIPE
from tasks.run import DATASET, MODEL, locked, tag_run


def _retrain(
    recipe: str,
    dataset_version: int | None = None,
    at_least: int | None = None,
    force: bool = False,
    reason: str = "",
    **parameters: Parameter,
) -> State:
    """Train a candidate and register it if the gate's verdict is `promote`.

    A rejected candidate ends the run `Cancelled(name="NotPromoted")` with the verdict as artifact and journal
    entry. `force` registers against the verdict; `reason` then tells the journal who wanted it and why.

    `dataset_version` pins the data. `at_least` is what events and `reconcile` give: the run takes the newest data,
    and ends `Unchanged` if the gate has judged a model with default parameters on that version or a later one.
    """
    with archived(recipe), locked(recipe, "retrain"):
        if at_least is not None and (judged := facts.judged_version(recipe)) >= at_least:
            return Completed(name="Unchanged", message=f"dataset version {judged} has been judged already")
        pinned = data.dataset_version(recipe, dataset_version)
        tag_run(DATASET, pinned.version)
        candidate = training.train_candidate(pinned, parameters, automatic=at_least is not None)
        reporting.report_training(candidate)
        champion = registration.opponent(candidate)
        verdict = evaluation.judge(recipe, candidate.outputs, candidate.tags, champion)
        reporting.report_verdict(recipe, verdict)
        if not (verdict.promote or force):
            registration.record_rejection(candidate, verdict)
            return Cancelled(name="NotPromoted", message=verdict.reason)
        forced_because = None if verdict.promote else reason or "force=True without a reason"
        model = registration.register_candidate(candidate, verdict, forced_because)
        tag_run(MODEL, model.version)
        reporting.report_model(model, candidate)
        reporting.announce_model(model)
        return Completed(name="Registered", message=f"model version {model.version}: {verdict.reason}")


def flow_of(name: str) -> Flow[..., State]:
    """The retrain flow of a recipe, with the recipe's parameters and their defaults in its signature."""
    recipe = catalog.load(name)

    def run(**arguments: Any) -> State:
        changed = {key: value for key, value in arguments.items() if value != recipe.parameters.get(key)}
        return _retrain(**changed)

    common = list(inspect.signature(_retrain, eval_str=True).parameters.values())[:-1]
    common[0] = common[0].replace(default=name)
    special = [
        common[0].replace(name=key, default=value, annotation=type(value)) for key, value in recipe.parameters.items()
    ]
    signature = inspect.Signature([*common, *special], return_annotation=State)
    vars(run).update(__signature__=signature)
    return flow(name="retrain", flow_run_name="{recipe}", description=_retrain.__doc__)(run)


retrain = flow_of(DEFAULT_RECIPE)


def __getattr__(name: str) -> Flow[..., State]:
    if name in catalog.names():
        return flow_of(name)
    raise AttributeError(f"module {__name__} has no flow {name}")


if __name__ == "__main__":
    retrain()
