"""Images onto endpoints: a desired state that is applied, tested, and undone if the tests fail."""

from __future__ import annotations

from prefect import task

from platforms.protocols import EndpointSpec, EndpointStatus, Environment, Image, ModelVersion
from platforms.selection import current
from tasks.contract import check_endpoint
from tasks.run import run_id


@task(task_run_name="deploy-{environment}")
def deploy(model: ModelVersion, image: Image, environment: Environment) -> EndpointStatus:
    """Make the endpoint serve the image and test it; a failing endpoint serves again what it served before.

    Raises `NotReadyError` when the image does not start and `ContractError` with what differed.
    """
    endpoints = current().endpoints
    before = endpoints.status(model.recipe, environment)
    spec = EndpointSpec(model.recipe, environment, image, model.version)
    try:
        status = endpoints.apply(spec)
        check_endpoint(model, status)
    except BaseException:
        _restore(spec, before)
        raise
    return status


def _restore(failed: EndpointSpec, before: EndpointStatus | None) -> None:
    endpoints = current().endpoints
    if before is None:
        endpoints.withdraw(failed.recipe, failed.environment)
        return
    endpoints.apply(EndpointSpec(before.recipe, before.environment, before.image, before.model_version))


@task(task_run_name="record-{environment}")
def record_release(model: ModelVersion, status: EndpointStatus, reason: str) -> None:
    """Write into the journal what the endpoint serves from now on."""
    current().journal.append(
        model.recipe,
        "released",
        reason=reason,
        flow_run=run_id(),
        model_version=model.version,
        environment=status.environment,
        image=status.image.reference,
    )
