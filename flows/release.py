"""Take one model version through qa to prod; whatever fails leaves prod as it was."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from platforms.values import ModelVersion
from tasks import deployment, evaluation, facts, packaging, registration, reporting
from tasks.archive import archived
from tasks.run import MODEL, locked, tag_run


@flow(name="release", flow_run_name="{recipe}")
def release(
    recipe: str = "diabetes",
    model_version: int | None = None,
    force: bool = False,
    reason: str = "",
    rebuild: bool = False,
) -> State:
    """Build the scoring image, test it in qa, then in prod, and make the model the champion.

    Without `model_version` the newest is released. A version overtaken by a newer one that has not failed ends
    `Cancelled(name="Superseded")`; one whose champion changed since its verdict is judged again and may end
    `Cancelled(name="NotPromoted")`. `force` releases in spite of both; `reason` then tells the journal who wanted it
    and why. A version that was in production before comes back by the image of then; `rebuild` makes one with the
    scoring service, schema and packages of now, also for the version that is in production.
    """
    with archived(recipe), locked(recipe, "release"):
        model = registration.find_model(recipe, model_version)
        tag_run(MODEL, model.version)
        champion = registration.champion_version(recipe)
        if facts.is_released(model) and not rebuild:
            return Completed(name="Released", message=f"{recipe} {model.version} is in production already")
        if refusal := None if force else _refuse(model, champion):
            return refusal
        forced = f", forced: {reason or 'force=True without a reason'}" if force else ""
        image = packaging.build_image(model, rebuild)
        qa = deployment.deploy(model, image, "qa")
        deployment.record_release(model, qa, f"passed the API tests in qa{forced}")
        deployment.rest(model, qa)
        prod = deployment.deploy(model, image, "prod")
        registration.promote_champion(model, champion)
        deployment.record_release(model, prod, f"passed the API tests in qa and prod{forced}")
        reporting.report_release(model, [qa, prod])
        return Completed(name="Released", message=f"{recipe} {model.version} answers at {prod.url}")


def _refuse(model: ModelVersion, champion: int | None) -> State | None:
    """The end state of a model version that must not go to production any more."""
    if champion == model.version:
        return None  # An earlier run was killed between the champion's move and its entry in the journal.
    newest = facts.newest_standing(model.recipe)
    if newest and newest.version > model.version:
        registration.record_superseded(model, newest.version)
        return Cancelled(name="Superseded", message=f"model version {newest.version} is newer")
    if champion == registration.compared_with(model) or registration.was_forced(model):
        return None
    verdict = evaluation.judge_again(model)
    reporting.report_verdict(model.recipe, verdict)
    if verdict.promote:
        return None
    registration.record_overtaken(model, verdict)
    return Cancelled(name="NotPromoted", message=f"the champion changed, and {verdict.reason}")


if __name__ == "__main__":
    release()
