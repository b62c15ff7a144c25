from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable

import pytest

from flows.retrain import retrain
from flows.validate_data import validate_data
from platforms.platform import Platform
from recipes import catalog
from recipes.recipe import RESERVED
from tests.flows.conftest import ScriptedCompute, content
from tests.flows.test_build import artifacts


def test_what_the_flow_takes_itself_is_reserved() -> None:
    own = set(retrain.parameters.properties) - set(catalog.load("diabetes").parameters)
    assert own == set(RESERVED)


def test_the_first_model_is_registered_with_its_lineage(loop_platform: Platform, data: int) -> None:
    state = retrain(return_state=True)
    assert state.name == "Registered"
    [model] = loop_platform.registry.versions("diabetes")
    assert model.version == 1
    assert model.tags["dataset_version"] == str(data)
    assert model.tags["dataset_fingerprint"] == loop_platform.datasets.version("diabetes").fingerprint
    assert model.tags["flow_run"] == str(state.state_details.flow_run_id)
    assert {"git_commit", "git_tree", "environment_lock", "metrics"} <= set(model.tags)
    assert model.tags["parameters"] == '{"alpha": 0.4}', "also those that nobody gave"
    assert loop_platform.registry.champion("diabetes") is None


def test_the_run_leads_to_the_model_and_to_its_job(loop_platform: Platform, data: int) -> None:
    text = str(artifacts(retrain(return_state=True))["diabetes-model"].data)
    assert f"[model version 1]({loop_platform.registry.url('diabetes', 1)})" in text
    assert re.search(r"\[training job \S+\]\(http://127\.0\.0\.1:\d+/#/experiments/\d+/runs/\w+\)", text), text


def test_two_batches_that_come_together_are_judged_once(
    loop_platform: Platform, data: int, landed: Callable[[str, bytes], str]
) -> None:
    """The first of two triggered runs takes the newest data, so the second finds it judged."""
    more = catalog.load("diabetes").seed_data()[:60].assign(Y=lambda frame: frame["Y"] + 1.0)
    validate_data(landed("more.csv", more.to_csv(index=False).encode()), return_state=True)
    newest = loop_platform.datasets.version("diabetes").version
    assert newest > data
    assert retrain(at_least=data, return_state=True).name == "Registered"
    assert retrain(at_least=newest, return_state=True).name == "Unchanged"


def test_a_worse_candidate_is_not_promoted_and_explained(
    loop_platform: Platform, data: int, compute: ScriptedCompute, caplog: pytest.LogCaptureFixture
) -> None:
    retrain(return_state=True)
    loop_platform.registry.promote("diabetes", 1, None)
    compute.shift = 40.0
    with caplog.at_level(logging.ERROR):
        state = retrain(return_state=True)
    assert (state.type.value, state.name) == ("CANCELLED", "NotPromoted")
    assert "not more than 0" in str(state.message)
    assert [model.version for model in loop_platform.registry.versions("diabetes")] == [1]
    entry = loop_platform.journal.entries("diabetes")[-1]
    assert (entry.action, entry.model_version) == ("rejected", None)
    assert entry.details["champion_version"] == 1
    assert entry.details["earlier_decisions"] == 1
    improvement, lower = entry.details["improvement"], entry.details["lower_bound"]
    assert isinstance(improvement, float)
    assert isinstance(lower, float)
    assert lower < improvement < 0


@pytest.mark.long
def test_a_tie_is_rejected(loop_platform: Platform, data: int) -> None:
    retrain(return_state=True)
    loop_platform.registry.promote("diabetes", 1, None)
    assert retrain(return_state=True).name == "NotPromoted"


def test_a_better_candidate_is_registered(loop_platform: Platform, data: int, compute: ScriptedCompute) -> None:
    compute.shift = 40.0
    retrain(return_state=True)
    loop_platform.registry.promote("diabetes", 1, None)
    compute.shift = 0.0
    assert retrain(return_state=True).name == "Registered"
    assert loop_platform.registry.versions("diabetes")[-1].tags["champion_compared"] == "1"


def test_force_registers_against_the_verdict_and_the_journal_says_why(
    loop_platform: Platform, data: int, compute: ScriptedCompute
) -> None:
    retrain(return_state=True)
    loop_platform.registry.promote("diabetes", 1, None)
    compute.shift = 40.0
    state = retrain(force=True, reason="Ada: the old model must go", return_state=True)
    assert state.name == "Registered"
    entry = loop_platform.journal.entries("diabetes")[-1]
    assert (entry.action, entry.model_version, entry.reason) == ("forced", 2, "Ada: the old model must go")
    assert entry.details["decision"] == "reject"


def test_a_failing_job_fails_the_run_with_its_last_lines(
    loop_platform: Platform, data: int, compute: ScriptedCompute
) -> None:
    compute.shift = -1.0
    state = retrain(return_state=True)
    assert state.is_failed()
    assert "singular matrix" in str(state.message)
    run = state.state_details.flow_run_id
    archived = content(loop_platform, f"logs/diabetes/{run}/training.log")
    assert b"dataset version" in archived
    assert b"Queued" not in archived
    assert b"is Queued" in content(loop_platform, f"logs/diabetes/{run}/flow.log")
    assert loop_platform.lock.owner("diabetes/retrain") is None


def test_what_the_job_took_is_shown_and_kept_with_the_model(loop_platform: Platform, data: int) -> None:
    state = retrain(return_state=True)
    tags = loop_platform.registry.get("diabetes", 1).tags
    took = {"queue_seconds": "3.0", "node_seconds": "60.0", "estimated_cost": "0.0100 USD"}
    assert took.items() <= tags.items()
    shown = json.loads(str(artifacts(state)["diabetes-job"].data))
    assert {row["what"]: row["value"] for row in shown} == took


def test_there_is_nothing_to_train_on_before_the_first_batch(loop_platform: Platform) -> None:
    assert retrain(return_state=True).is_failed()


def test_a_lock_of_an_ended_run_is_taken_over(loop_platform: Platform, data: int) -> None:
    ended = retrain(return_state=True).state_details.flow_run_id
    assert loop_platform.lock.swap("diabetes/retrain", None, str(ended))
    loop_platform.registry.promote("diabetes", 1, None)
    assert retrain(return_state=True).name == "NotPromoted"
