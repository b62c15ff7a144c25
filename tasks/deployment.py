"""Images onto endpoints: a desired state that is applied, tested, and undone if the tests fail."""

from __future__ import annotations

from prefect import task

from platforms.errors import NotReadyError, NotStartedError
from platforms.journal import WITHDRAWN
from platforms.selection import current
from platforms.values import EndpointSpec, EndpointStatus, Environment, Image, ModelVersion
from tasks import facts
from tasks.contract import ContractError, check_endpoint
from tasks.run import run_id, run_logger


@task(task_run_name="deploy-{environment}")
def deploy(model: ModelVersion, image: Image, environment: Environment) -> EndpointStatus:
    """Make the endpoint serve the image and test it; a failing endpoint serves again what the journal says.

    What it serves as this begins may be an image that an earlier run was killed over, before it was tested.

    Raises `NotReadyError` when the image does not become ready and `ContractError` with what differed; the journal
    then says `rejected in <environment>`. It says nothing of an image that never ran (`NotStartedError`), or when
    the platform fails: the release is tried again.
    """
    endpoints = current().endpoints
    before = facts.serving(model.recipe, environment)
    try:
        status = endpoints.apply(EndpointSpec(model.recipe, environment, image, model.version))
        check_endpoint(model, status)
    except BaseException as error:
        try:
            if isinstance(error, (ContractError, NotReadyError)) and not isinstance(error, NotStartedError):
                _record_failure(model, image, environment, str(error))
        finally:
            _try_to_restore(model.recipe, environment, before)
        raise
    return status


def _try_to_restore(recipe: str, environment: Environment, before: EndpointSpec | None) -> None:
    """Restore; what goes wrong is told beside the error that it must not hide, and `reconcile` makes it good."""
    try:
        _restore(recipe, environment, before)
    except Exception as error:
        run_logger().error("%s of %s could not be restored: %s", environment, recipe, error)


def _restore(recipe: str, environment: Environment, before: EndpointSpec | None) -> None:
    if before is None:
        current().endpoints.withdraw(recipe, environment)
        return
    current().endpoints.apply(before)


def _record_failure(model: ModelVersion, image: Image, environment: Environment, reason: str) -> None:
    current().journal.append(
        model.recipe,
        f"rejected in {environment}",
        reason=reason,
        flow_run=run_id(),
        model_version=model.version,
        environment=environment,
        image=image.reference,
    )


@task
def rest(model: ModelVersion, status: EndpointStatus) -> None:
    """End what the tests needed and nobody else does, if the settings want it; the journal says so."""
    platform = current()
    if platform.endpoints.rest(model.recipe, status.environment):
        platform.journal.append(
            model.recipe,
            WITHDRAWN,
            reason="its tests are over",
            flow_run=run_id(),
            model_version=model.version,
            environment=status.environment,
            image=status.image.reference,
        )


@task
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
