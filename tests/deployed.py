"""The deployments of prefect.yaml, published to the server of the tests; no worker takes their runs."""

from __future__ import annotations

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL

from recipes import catalog
from tasks.publishing import DEFAULT_RECIPE, publish
from tests import launched


@pytest.fixture(autouse=True)
def default_recipe_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person has added to `recipes/` changes no outcome."""
    monkeypatch.setattr(catalog, "names", lambda: [DEFAULT_RECIPE])


def publish_deployments() -> None:
    """Make the work pool and every deployment of the default recipe."""
    publish([DEFAULT_RECIPE], str(PREFECT_API_URL.value()), python=launched.python())


def end(run: FlowRun, state: State) -> None:
    """Give a run an end, as its process or its death would."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, state, force=True)


def forget_runs() -> None:
    """Delete every run, and with it its idempotency key."""
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs():
            client.delete_flow_run(run.id)
