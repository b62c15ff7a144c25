from __future__ import annotations

from types import SimpleNamespace

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Failed

from cli import server_health
from platforms.local.diagnosis import Check
from platforms.platform import Platform
from platforms.settings import Settings
from tasks import revision, starting
from tests.deployed import end, forget_runs

Found = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def _published(deployments: None, platform: Platform) -> None:
    """Published deployments, and nothing of an earlier test."""
    forget_runs()


def look(settings: Settings, name: str) -> list[Check]:
    return [check for check in server_health.check(settings) if check.name == name]


def told(settings: Settings, name: str) -> Found:
    return [(check.status, check.message) for check in look(settings, name)]


def test_a_server_in_order(settings: Settings) -> None:
    [server] = look(settings, "server")
    assert server.status == "ok"
    assert server.message.startswith(f"{settings.prefect_url} answers, Prefect 3.")
    assert told(settings, "deployments") == [("ok", "all 5 are published")]
    assert told(settings, "runs") == [("ok", "no deployment failed 3 times in a row")]


def test_a_server_that_is_not_there_ends_the_questions(settings: Settings) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        [check] = server_health.check(settings)
    assert (check.name, check.status) == ("server", "problem")
    assert "does not answer" in check.message


def test_another_version_of_the_server_is_a_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_health, "prefect_version", "3.0.0")
    [(status, message)] = told(settings, "server")
    assert status == "problem"
    assert message.endswith("this is 3.0.0")


def test_a_pool_that_nobody_polls_is_told(settings: Settings) -> None:
    mine = pool_of_its_own(settings, "unpolled")
    assert told(mine, "work pool") == [("problem", "no worker polls unpolled")]


def test_a_pool_that_is_missing_is_told(settings: Settings) -> None:
    other = settings.model_copy(update={"work_pool": "other"})
    assert told(other, "work pool") == [("problem", "other does not exist")]


def test_a_paused_pool_is_told(settings: Settings) -> None:
    from prefect.client.schemas.actions import WorkPoolUpdate

    mine = pool_of_its_own(settings, "paused")
    with get_client(sync_client=True) as client:
        client.update_work_pool("paused", WorkPoolUpdate(is_paused=True))
    assert told(mine, "work pool") == [("problem", "paused is paused")]


def pool_of_its_own(settings: Settings, name: str) -> Settings:
    """Make a work pool that no other test touches, and settings that name it."""
    from prefect.client.schemas.actions import WorkPoolCreate

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"), overwrite=True)
    return settings.model_copy(update={"work_pool": name})


def test_a_polled_pool_is_ready(settings: Settings) -> None:
    with get_client(sync_client=True) as client:
        client.send_worker_heartbeat("ridgeline", "worker", 30.0)
    [(status, message)] = told(settings, "work pool")
    assert (status, message.split(" for ")[0]) == ("ok", "ridgeline is ready")


def test_a_deployment_that_is_not_published_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_health, "_wanted", lambda: [("flows/gone.py:gone", "diabetes")])
    [check] = look(settings, "deployments")
    assert (check.status, check.message) == ("problem", "not published: flows/gone.py:gone for diabetes")
    assert check.advice == "`ridgeline deploy`"


def test_deployments_of_another_commit_are_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    published = str(revision.commit())
    monkeypatch.setattr(revision, "commit", lambda: "f" * 40)
    [check] = look(settings, "deployments")
    assert check.status == "warning"
    assert check.message == f"published at {published[:12]}, and the clone is at {'f' * 12}"


def test_paused_deployments_are_told(settings: Settings) -> None:
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("reconcile/diabetes")
        client.update_deployment(deployment.id, DeploymentUpdate(paused=True))
        try:
            found = told(settings, "deployments")
        finally:
            client.update_deployment(deployment.id, DeploymentUpdate(paused=False))
    assert found == [("warning", "paused: flows/reconcile.py:reconcile for diabetes")]


def test_what_was_given_up_is_a_problem(settings: Settings, platform: Platform) -> None:
    want = starting.validation("diabetes", platform.storage.write("landing/diabetes/a b.csv", b"x"))
    for _ in range(starting.ATTEMPTS - 1):
        run = starting.ensure(want)
        assert run
        end(run, Crashed(message="killed"))
    last = starting.ensure(want)
    assert last
    assert "problem" not in {status for status, _ in told(settings, "runs")}, "one attempt is left"
    end(last, Failed(message="the disk\nis full"))
    [given_up] = [check for check in look(settings, "runs") if check.status == "problem"]
    expected = "validate-data/diabetes with path=landing/diabetes/a b.csv failed 3 times: "
    assert given_up.message.startswith(expected)
    assert given_up.advice.endswith(
        "`prefect deployment run validate-data/diabetes -p path='landing/diabetes/a b.csv'`"
    )


def test_of_a_long_message_the_beginning_and_the_cause_at_its_end_are_told() -> None:
    lines = "".join(f"line {number} of the log\n" for number in range(100))
    run = SimpleNamespace(state=Failed(message=f"JobFailedError: the job failed\n{lines}ValueError: no such column"))
    told = server_health._why(run)  # type: ignore[arg-type]  # a run, as far as it is read
    assert told.startswith("JobFailedError: the job failed line 0")
    assert told.endswith("ValueError: no such column")
    assert len(told) < 310


def test_a_deployment_that_keeps_failing_is_a_warning(settings: Settings) -> None:
    for _ in range(server_health.STREAK):
        end(starting.start_retrain("diabetes", {}), Failed(message="singular matrix"))
    expected = "the last 3 runs of flows/retrain.py:diabetes for diabetes failed: singular matrix"
    assert told(settings, "runs") == [("warning", expected)]
    end(starting.start_retrain("diabetes", {}), Completed())
    assert told(settings, "runs") == [("ok", "no deployment failed 3 times in a row")]
