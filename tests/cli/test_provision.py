from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from click.testing import CliRunner, Result
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed

from cli.main import main
from flows import provision as flow
from platforms.local.infrastructure import NoInfrastructure
from platforms.platform import Platform
from platforms.values import Change
from tasks import provisioning

PLAN = [Change("group g", "same"), Change("cluster c", "update", "maxNodeCount: 2 -> 7"), Change("queue q", "create")]

pytestmark = pytest.mark.usefixtures("own_environment")


def run(*arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(main, ["provision", *arguments], input=text)


@pytest.fixture
def destroyed(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Infrastructure with a name, and what was destroyed of it."""
    found: list[str] = []
    monkeypatch.setattr(NoInfrastructure, "name", "group")
    monkeypatch.setattr(NoInfrastructure, "destroy", lambda self: found.append("group"))
    return found


def test_a_plan_shows_each_resource_and_why(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "plan", lambda: PLAN)
    monkeypatch.setattr(flow, "provision", None)
    done = run("--plan")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "same    group g",
        "update  cluster c (maxNodeCount: 2 -> 7)",
        "create  queue q",
        "2 of 3 would change",
    ]


@pytest.mark.parametrize(
    ("state", "code", "told"),
    [
        (Completed(name="Provisioned", message="3 of 3"), 0, "Provisioned: 3 of 3\nRIDGELINE_AZURE_CLIENT_ID=c1\n"),
        (Failed(message="queue q: quota exceeded"), 1, "Error: Failed: queue q: quota exceeded\n"),
    ],
)
def test_the_end_of_the_flow_is_the_exit_code(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, state: State, code: int, told: str
) -> None:
    def ended(return_state: bool) -> State:
        return state

    def chosen(self: NoInfrastructure) -> Mapping[str, str]:
        return {"RIDGELINE_AZURE_CLIENT_ID": "c1"}

    monkeypatch.setattr(flow, "provision", ended)
    monkeypatch.setattr(NoInfrastructure, "chosen", chosen)
    done = run()
    assert (done.exit_code, done.output) == (code, told)


def test_provisioning_authenticates(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def ended(return_state: bool) -> State:
        seen.append(os.environ.get("PREFECT_API_AUTH_STRING"))
        return Completed(name="Complete", message="all")

    monkeypatch.setenv("RIDGELINE_PREFECT_AUTH", "ada:lovelace")
    monkeypatch.setattr(flow, "provision", ended)
    assert run().exit_code == 0
    assert seen == ["ada:lovelace"]


@pytest.mark.parametrize("answers", [True, False])
def test_a_server_that_is_gone_is_not_waited_for(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, answers: bool, prefect_server: None
) -> None:
    seen: list[str | None] = []

    def ended(return_state: bool) -> State:
        seen.append(PREFECT_API_URL.value())
        return Completed(name="Complete", message="all")

    monkeypatch.setattr(flow, "provision", ended)
    url = PREFECT_API_URL.value() if answers else "http://127.0.0.1:9/api"
    with temporary_settings({PREFECT_API_URL: url}):
        assert run().exit_code == 0
    assert seen == [url if answers else None]


def test_destroying_asks_for_the_name(destroyed: list[str]) -> None:
    wrong = run("--destroy", text="grup\n")
    assert (wrong.exit_code, destroyed) == (1, [])
    assert "'grup' is not 'group': nothing was deleted" in wrong.output
    right = run("--destroy", text="group\n")
    assert (right.exit_code, destroyed) == (0, ["group"])
    assert right.output.endswith("group is deleted\n")


def test_where_there_is_nothing_nothing_is_asked(platform: Platform) -> None:
    done = run("--destroy")
    assert done.exit_code == 1
    assert "has no infrastructure" in done.output


def test_a_plan_destroys_nothing(destroyed: list[str]) -> None:
    done = run("--plan", "--destroy", text="group\n")
    assert (done.exit_code, destroyed) == (2, [])
