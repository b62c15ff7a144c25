"""Train on the newest data, hold the candidate against the champion, and register it if it is better."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from platforms.protocols import Parameter
from tasks import data, evaluation, registration, reporting, training
from tasks.run import DATASET, MODEL, archived, locked, tag_run


@flow(name="retrain", flow_run_name="{recipe}")
def retrain(
    recipe: str = "diabetes",
    dataset_version: int | None = None,
    parameters: dict[str, Parameter] | None = None,
    force: bool = False,
    reason: str = "",
) -> State:
    """Train a candidate and register it if the gate's verdict is `promote`.

    A rejected candidate ends the run `Cancelled(name="NotPromoted")` with the verdict as artifact and journal
    entry. `force` registers against the verdict; `reason` then tells the journal who wanted it and why.
    """
    with archived(recipe), locked(recipe, "retrain"):
        pinned = data.dataset_version(recipe, dataset_version)
        tag_run(DATASET, pinned.version)
        candidate = training.train_candidate(pinned, parameters)
        reporting.report_training(candidate)
        verdict = evaluation.judge(recipe, candidate.outputs, candidate.tags)
        reporting.report_verdict(recipe, verdict)
        if not (verdict.promote or force):
            registration.record_rejection(candidate, verdict)
            return Cancelled(name="NotPromoted", message=verdict.reason)
        forced_because = None if verdict.promote else reason or "force=True without a reason"
        model = registration.register_candidate(candidate, verdict, forced_because)
        tag_run(MODEL, model.version)
        reporting.announce_model(model)
        return Completed(name="Registered", message=f"model version {model.version}: {verdict.reason}")


if __name__ == "__main__":
    retrain()
