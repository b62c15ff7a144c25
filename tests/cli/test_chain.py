from __future__ import annotations

from datetime import datetime

import httpx
import pytest
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Running

from cli import chain
from cli.chain import ChainError, Follower, Stage
from tasks import starting
from tests.cli.scripted import BLOB, EARLIER, Script, accepted, entry, failed, run_of


def follower(script: Script, timeout: float = 60) -> Follower:
    return Follower("diabetes", script.report, timeout)


def outcomes(stages: list[Stage]) -> list[tuple[str, str]]:
    return [(stage.flow, stage.outcome) for stage in stages]


def test_an_accepted_batch_is_followed_to_production(script: Script) -> None:
    script.then = [
        lambda: script.attempts.append(accepted(2)),
        lambda: script.entries.append(entry("registered", 5, data=2)),
        lambda: script.entries.append(entry("released", 5, "prod")),
    ]
    stages = follower(script).batch(BLOB)
    assert outcomes(stages) == [("validate-data", "Accepted"), ("retrain", "Registered"), ("release", "released")]
    assert script.lines[-1] == "release diabetes: released - model version 5: a reason"


@pytest.mark.parametrize("name", ["Quarantined", "Duplicate"])
def test_what_is_not_accepted_causes_nothing(script: Script, name: str) -> None:
    script.attempts = [run_of(Completed(name=name))]
    assert outcomes(follower(script).batch(BLOB)) == [("validate-data", name)]


@pytest.mark.parametrize("action", ["rejected in qa", "rejected in prod"])
def test_a_release_that_fails_its_tests_is_an_error_with_its_stage(script: Script, action: str) -> None:
    script.attempts = [accepted(2)]
    script.entries = [entry("registered", 5, data=2), entry(action, 5, "qa")]
    mine = follower(script)
    with pytest.raises(
        ChainError, match=rf"version 5 of diabetes was {action}: .*release/diabetes -p model_version=5"
    ):
        mine.batch(BLOB)
    assert outcomes(mine.stages)[-1] == ("release", action)


@pytest.mark.parametrize("action", ["superseded", "released"])
def test_a_release_that_is_decided_otherwise_is_no_error(script: Script, action: str) -> None:
    script.attempts = [accepted(2)]
    script.entries = [entry("registered", 5, data=2), entry(action, 5, "prod")]
    assert outcomes(follower(script).batch(BLOB))[-1] == ("release", action)


def test_a_batch_that_a_person_s_run_accepted_after_a_crash_is_followed_on(script: Script) -> None:
    script.attempts = [run_of(Crashed())]
    script.entries = [entry("rejected", data=2)]
    report = {"state": "Accepted", "reason": "dataset version 2 with 40 rows", "dataset_version": 2}
    script.then = [lambda: setattr(script, "filed", report)]
    stages = follower(script).batch(BLOB)
    assert outcomes(stages) == [("validate-data", "Accepted"), ("retrain", "NotPromoted")]
    assert script.lines[0] == "validate-data diabetes: Accepted - dataset version 2 with 40 rows"


def test_another_arrival_at_the_same_path_is_not_this_one(script: Script) -> None:
    """Only the attempts of this arrival count, so neither its outcome nor its failure is taken for this one's."""
    script.others = [run_of(Completed(name="Quarantined"), parameters={"path": BLOB.path}), failed(path=BLOB.path)]
    script.then = [lambda: script.attempts.append(accepted(2))]
    script.entries = [entry("rejected", data=2)]
    assert outcomes(follower(script).batch(BLOB)) == [("validate-data", "Accepted"), ("retrain", "NotPromoted")]


def test_a_killed_validation_is_followed_through_its_next_attempt(script: Script) -> None:
    script.attempts = [run_of(Crashed())]
    script.then = [lambda: script.attempts.append(run_of(Completed(name="Duplicate")))]
    assert outcomes(follower(script).batch(BLOB)) == [("validate-data", "Duplicate")]


def test_a_failed_validation_ends_it(script: Script) -> None:
    script.attempts = [run_of(Running())]
    script.then = [lambda: script.attempts.append(failed())]
    with pytest.raises(ChainError, match="a run ended Failed: singular matrix"):
        follower(script).batch(BLOB)


@pytest.mark.parametrize(("time", "version"), [(EARLIER, 2), (EARLIER, 1), (None, 1)])
def test_retrains_that_failed_before_or_on_older_data_are_the_past(
    script: Script, time: datetime | None, version: int
) -> None:
    script.attempts, script.others = [accepted(2)], [failed(time, at_least=version)]
    script.then = [lambda: script.entries.append(entry("rejected", data=2))]
    assert outcomes(follower(script).batch(BLOB))[-1] == ("retrain", "NotPromoted")


@pytest.mark.parametrize("version", [2, 3])
def test_a_retrain_that_fails_on_this_data_or_later_ends_it(script: Script, version: int) -> None:
    script.attempts = [accepted(2)]
    script.then = [lambda: script.others.append(failed(at_least=version))]
    with pytest.raises(ChainError, match="singular matrix"):
        follower(script).batch(BLOB)


def test_the_server_is_not_asked_for_failures_at_each_look(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_exhausted(want: starting.Want) -> bool:
        asked.append(want)
        return False

    asked: list[starting.Want] = []
    monkeypatch.setattr(chain, "ASK", 60.0)
    monkeypatch.setattr(starting, "is_exhausted", is_exhausted)
    script.attempts = [accepted(2)]
    script.then = [lambda: None, lambda: None, lambda: script.entries.append(entry("rejected", data=2))]
    assert outcomes(follower(script).batch(BLOB))[-1] == ("retrain", "NotPromoted")
    assert asked == [starting.judgement("diabetes", 2)]


def test_what_was_tried_in_vain_is_not_waited_for(script: Script) -> None:
    script.attempts, script.exhausted = [accepted(2)], True
    script.missing = [starting.judgement("diabetes", 2)]
    with pytest.raises(
        ChainError, match=r"tried 3 times in vain.*prefect deployment run retrain/diabetes -p at_least=2"
    ):
        follower(script).batch(BLOB)


def test_an_end_that_is_too_late_is_told(script: Script) -> None:
    with pytest.raises(ChainError, match=f"validate-data/diabetes with path={BLOB.path} did not end in time"):
        follower(script, timeout=-1).batch(BLOB)


def test_a_server_that_is_gone_is_asked_again(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: starting.Want) -> None:
        raise httpx.ConnectError("refused")

    def come_back() -> None:
        monkeypatch.setattr(starting, "first_attempt", lambda _: None)

    monkeypatch.setattr(starting, "first_attempt", refuse)
    script.attempts, script.then = [run_of(Completed(name="Duplicate"))], [come_back]
    assert outcomes(follower(script).batch(BLOB)) == [("validate-data", "Duplicate")]


def test_a_server_that_refuses_is_told_with_the_next_step(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: starting.Want) -> None:
        httpx.Response(401, request=httpx.Request("POST", "http://prefect/api/x")).raise_for_status()

    monkeypatch.setattr(starting, "first_attempt", refuse)
    with pytest.raises(ChainError, match=r"refuses http://prefect/api/x with 401: see `ridgeline doctor`"):
        follower(script).batch(BLOB)


def test_a_recipe_that_was_never_deployed_is_told_with_the_next_step(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def miss(_: starting.Want) -> None:
        raise ObjectNotFound(http_exc=Exception("404"))

    monkeypatch.setattr(starting, "first_attempt", miss)
    with pytest.raises(ChainError, match=r"lacks a deployment of diabetes, .*: `ridgeline deploy` publishes"):
        follower(script).batch(BLOB)


def test_a_retrain_of_a_person_is_followed_to_its_release(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run_of(Completed(name="Registered"), tags=("model:5",))
    states = [run_of(Running()), ended]
    monkeypatch.setattr(starting, "read", lambda _: states.pop(0))
    script.then = [lambda: script.entries.append(entry("released", 5, "prod"))] * 2
    assert outcomes(follower(script).retrain(ended)) == [("retrain", "Registered"), ("release", "released")]
