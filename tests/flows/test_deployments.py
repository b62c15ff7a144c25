"""What stands on the server after publishing, read back from it: the YAML file alone proves nothing."""

from __future__ import annotations

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import DeploymentResponse

pytestmark = pytest.mark.usefixtures("deployments")

FLOWS = ("validate-data", "retrain", "release", "reconcile")


def deployed(flow: str) -> DeploymentResponse:
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name(f"{flow}/diabetes")


def triggers(flow: str) -> list[dict[str, object]]:
    """The automations that start a deployment: the events they expect, of whom, and what the run gets."""
    resource = f"prefect.deployment.{deployed(flow).id}"
    with get_client(sync_client=True) as client:
        answer = client.request("GET", "/automations/related-to/{resource_id}", path_params={"resource_id": resource})
    return [
        {
            "enabled": found["enabled"],
            "expect": found["trigger"]["expect"],
            "match": found["trigger"]["match"],
            "parameters": found["actions"][0]["parameters"],
        }
        for found in answer.json()
    ]


def from_payload(field: str) -> dict[str, object]:
    template = {"__prefect_kind": "jinja", "template": f"{{{{ event.payload.{field} | tojson }}}}"}
    return {"__prefect_kind": "json", "value": template}


@pytest.mark.parametrize(
    ("flow", "event", "parameters"),
    [
        ("retrain", "ridgeline.data.accepted", {"at_least": from_payload("dataset_version")}),
        ("release", "ridgeline.model.registered", {"model_version": from_payload("model_version")}),
    ],
)
def test_events_start_runs_with_typed_parameters(flow: str, event: str, parameters: dict[str, object]) -> None:
    assert triggers(flow) == [
        {
            "enabled": True,
            "expect": [event],
            "match": {"prefect.resource.id": "ridgeline.recipe.diabetes"},
            "parameters": {"recipe": "diabetes", **parameters},
        }
    ]


@pytest.mark.parametrize("flow", ["validate-data", "reconcile"])
def test_nothing_else_is_started_by_events(flow: str) -> None:
    assert triggers(flow) == []


@pytest.mark.parametrize(("flow", "cron"), [("retrain", "0 3 * * 1"), ("reconcile", "30 * * * *")])
def test_schedules_have_a_time_zone(flow: str, cron: str) -> None:
    [schedule] = deployed(flow).schedules
    assert schedule.active
    assert (schedule.schedule.cron, schedule.schedule.timezone) == (cron, "Etc/UTC")  # type: ignore[union-attr]  # a cron schedule


def test_one_retrain_and_one_release_at_a_time_and_the_others_wait_in_the_queue() -> None:
    limits = {flow: deployed(flow).global_concurrency_limit for flow in FLOWS}
    assert {flow: limit and limit.limit for flow, limit in limits.items()} == {
        "validate-data": None,
        "retrain": 1,
        "release": 1,
        "reconcile": None,
    }
    options = deployed("retrain").concurrency_options
    assert options is not None
    assert options.collision_strategy.value == "ENQUEUE"


def test_validation_has_a_queue_of_its_own() -> None:
    queues = {flow: deployed(flow).work_queue_name for flow in FLOWS}
    assert queues == {
        "validate-data": "validation",
        "retrain": "default",
        "release": "default",
        "reconcile": "default",
    }


def test_the_form_of_a_retrain_offers_the_recipe_s_parameters() -> None:
    schema = deployed("retrain").parameter_openapi_schema
    assert schema is not None
    properties = schema["properties"]
    assert (properties["alpha"]["type"], properties["alpha"]["default"]) == ("number", 0.4)
    in_order = sorted(properties, key=lambda name: int(properties[name]["position"]))
    assert in_order == ["recipe", "dataset_version", "at_least", "force", "reason", "alpha"]


def test_descriptions_tell_what_a_run_does() -> None:
    assert all(len(str(deployed(flow).description)) > 40 for flow in FLOWS)
