from __future__ import annotations

import time
from dataclasses import replace

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Crashed, Failed

from flows.reconcile import reconcile
from flows.release import release
from flows.retrain import retrain
from flows.validate_data import validate_data
from platforms.platform import Platform
from platforms.values import EndpointSpec, EndpointStatus, Environment, Image
from tasks import facts, reconciling, starting
from tasks.listening import Listener
from tests.deployed import end
from tests.flows.conftest import Land, ScriptedCompute, seed_csv

pytestmark = pytest.mark.usefixtures("deployments", "no_runs")


def wanted() -> list[tuple[str, str, object]]:
    return [(want.flow, want.parameter, want.value) for want in reconciling.missing("diabetes")]


def existing(want: starting.Want) -> list[FlowRun]:
    return starting.runs_about(want, starting.UNDER_WAY)


def test_nothing_is_missing_of_an_empty_state(loop_platform: Platform) -> None:
    assert wanted() == []
    assert reconcile(return_state=True).name == "Consistent"


def test_every_step_that_was_lost_is_wanted(loop_platform: Platform, landed: Land) -> None:
    path = landed("seed.csv", seed_csv())
    assert wanted() == [("validate-data", "path", path)]
    validate_data(path, return_state=True)
    version = loop_platform.datasets.version("diabetes").version
    assert wanted() == [("retrain", "at_least", version)]
    retrain(at_least=version, return_state=True)
    assert wanted() == [("release", "model_version", 1)]


@pytest.mark.long
@pytest.mark.usefixtures("supervised")
def test_nothing_is_missing_after_the_release(loop_platform: Platform, data: int) -> None:
    retrain(at_least=data, return_state=True)
    release(return_state=True)
    assert wanted() == []
    assert reconcile(return_state=True).name == "Consistent"


def test_a_lost_event_gets_its_run_once(loop_platform: Platform, data: int) -> None:
    state = reconcile(return_state=True)
    assert state.name == "Repaired"
    [run] = existing(starting.judgement("diabetes", data))
    assert run.parameters == {"recipe": "diabetes", "at_least": data}
    reconcile(return_state=True)
    assert [again.id for again in existing(starting.judgement("diabetes", data))] == [run.id]


def test_a_run_that_an_event_started_is_enough(loop_platform: Platform, data: int) -> None:
    started = starting.start_retrain("diabetes", {"at_least": data})
    found = starting.ensure(starting.judgement("diabetes", data))
    assert found is not None
    assert found.id == started.id


def test_a_crashed_run_gets_a_new_attempt_but_not_for_ever(loop_platform: Platform, landed: Land) -> None:
    landed("seed.csv", seed_csv())
    [want] = reconciling.missing("diabetes")
    runs = []
    while run := starting.ensure(want):
        runs.append(run.id)
        end(run, Crashed())
    assert len(set(runs)) == len(runs) == starting.ATTEMPTS


def test_a_judged_version_is_not_trained_again(loop_platform: Platform, data: int) -> None:
    retrain(at_least=data, return_state=True)
    state = retrain(at_least=data, return_state=True)
    assert state.name == "Unchanged"
    assert len(loop_platform.registry.versions("diabetes")) == 1


@pytest.mark.long
def test_a_run_with_other_parameters_is_no_judgement_of_the_data(loop_platform: Platform, data: int) -> None:
    assert retrain(alpha=0.3, return_state=True).name == "Registered"
    assert facts.judged_version("diabetes") == 0
    assert retrain(at_least=data, return_state=True).name == "Registered"
    assert facts.judged_version("diabetes") == data


@pytest.mark.long
def test_a_manual_run_is_never_suppressed(loop_platform: Platform, data: int) -> None:
    retrain(at_least=data, return_state=True)
    assert retrain(return_state=True).name == "Registered"
    assert len(loop_platform.registry.versions("diabetes")) == 2


@pytest.mark.parametrize("released", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_retrain_killed_before_its_journal_entry_is_taken_up_and_not_repeated(
    loop_platform: Platform, data: int, compute: ScriptedCompute, released: bool
) -> None:
    from tasks import data as data_tasks
    from tasks import evaluation, training

    pinned = data_tasks.dataset_version.fn("diabetes")
    candidate = training.train_candidate.fn(pinned, automatic=True)
    evaluation.judge.fn("diabetes", candidate.outputs, candidate.tags, None)
    loop_platform.registry.register(candidate.job, candidate.outputs, candidate.tags)
    if released:
        loop_platform.registry.promote("diabetes", 1, None)
    assert retrain(at_least=data, return_state=True).name == "Registered"
    assert [model.version for model in loop_platform.registry.versions("diabetes")] == [1]


@pytest.mark.long
@pytest.mark.usefixtures("supervised")
def test_a_release_killed_after_the_champion_moved_is_finished(loop_platform: Platform, data: int) -> None:
    retrain(at_least=data, return_state=True)
    loop_platform.registry.promote("diabetes", 1, None)
    assert wanted() == [("release", "model_version", 1)]
    assert release(return_state=True).name == "Released"
    assert wanted() == []


@pytest.mark.long
def test_a_rejection_of_before_is_no_release(loop_platform: Platform, data: int) -> None:
    """A version that was rejected once, released again by hand, and whose run was killed before it was journalled."""
    retrain(at_least=data, return_state=True)
    loop_platform.journal.append(
        "diabetes", "rejected in qa", reason="it answered otherwise", flow_run="f", model_version=1, environment="qa"
    )
    assert wanted() == []
    loop_platform.registry.promote("diabetes", 1, None)
    champion = loop_platform.registry.champion("diabetes")
    assert champion is not None
    assert not facts.is_released(champion)
    assert wanted() == [("release", "model_version", 1)]


@pytest.mark.long
@pytest.mark.usefixtures("supervised")
def test_an_endpoint_that_serves_something_else_is_put_right(
    loop_platform: Platform, data: int, compute: ScriptedCompute
) -> None:
    retrain(at_least=data, return_state=True)
    release(return_state=True)
    prod = facts.serving("diabetes", "prod")
    assert prod is not None
    loop_platform.endpoints.withdraw("diabetes", "prod")
    state = reconcile(return_state=True)
    assert (state.name, state.message) == ("Repaired", "under way: prod endpoint")
    status = loop_platform.endpoints.status("diabetes", "prod")
    assert status is not None
    assert EndpointSpec("diabetes", "prod", status.image, status.model_version) == prod


@pytest.mark.long
@pytest.mark.usefixtures("supervised")
def test_a_release_that_failed_too_often_keeps_no_endpoint_from_being_put_right(
    loop_platform: Platform, data: int
) -> None:
    retrain(at_least=data, return_state=True)
    release(return_state=True)
    retrain(return_state=True, force=True, reason="the next")
    loop_platform.endpoints.withdraw("diabetes", "prod")
    assert reconciling.restore_endpoints.fn("diabetes") == []
    while run := starting.ensure(starting.conclusion("diabetes", 2)):
        assert reconciling.restore_endpoints.fn("diabetes") == []
        end(run, Crashed())
    assert reconciling.restore_endpoints.fn("diabetes") == ["prod"]


@pytest.mark.long
@pytest.mark.usefixtures("supervised")
def test_an_endpoint_that_is_not_ready_with_the_right_image_is_applied_again(
    loop_platform: Platform, data: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a killed rollout that image is what served last, and another one may answer."""
    retrain(at_least=data, return_state=True)
    release(return_state=True)
    status = loop_platform.endpoints.status
    assert reconciling.restore_endpoints.fn("diabetes") == []

    def unready(recipe: str, environment: Environment) -> EndpointStatus:
        found = status(recipe, environment)
        assert found is not None
        return replace(found, ready=False)

    monkeypatch.setattr(loop_platform.endpoints, "status", unready)
    assert reconciling.restore_endpoints.fn("diabetes") == ["qa", "prod"]


def test_nobody_takes_a_file_that_may_still_grow(
    loop_platform: Platform, landed: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a listener that has just come, nor `reconcile`, while somebody writes to it."""
    landed("half.csv", b"age\n")
    assert Listener(["diabetes"]).reconcile() == []
    monkeypatch.setattr(time, "sleep", lambda _: landed("half.csv", b"age\n1\n"))
    assert reconciling.create_missing_runs.fn("diabetes") == []
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert [run.parameters["path"] for run in reconciling.create_missing_runs.fn("diabetes")]


def test_failed_attempts_are_told(loop_platform: Platform, data: int, caplog: pytest.LogCaptureFixture) -> None:
    while run := starting.ensure(starting.judgement("diabetes", data)):
        end(run, Failed())
    assert reconciling.create(reconciling.missing("diabetes")) == []
    assert "has failed 3 times" in caplog.text


def test_an_image_reference_of_the_journal_is_an_image() -> None:
    image = Image("diabetes:1-abc", "f" * 64)
    assert Image.parse(image.reference) == image
