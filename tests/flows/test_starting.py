"""Which runs are about what, and how often each is tried."""

from __future__ import annotations

import pytest
from prefect.states import Completed, Failed

from platforms.platform import Platform
from tasks import reconciling, starting
from tests.deployed import end
from tests.flows.conftest import Land, seed_csv

pytestmark = pytest.mark.usefixtures("deployments", "no_runs")


def test_a_completed_run_whose_fact_is_missing_does_not_count(loop_platform: Platform, data: int) -> None:
    first = starting.ensure(starting.judgement("diabetes", data))
    assert first is not None
    end(first, Completed())
    second = starting.ensure(starting.judgement("diabetes", data))
    assert second is not None
    assert second.id != first.id


def test_the_attempts_of_an_arrival_are_its_own(loop_platform: Platform, landed: Land) -> None:
    landed("seed.csv", seed_csv())
    [first] = reconciling.missing("diabetes")
    starting.first_attempt(first)
    landed("seed.csv", seed_csv(slice(60)))
    [second] = reconciling.missing("diabetes")
    assert starting.attempts(second) == []
    run = starting.first_attempt(second)
    assert [attempt.id for attempt in starting.attempts(second)] == [run.id]


def test_a_want_is_exhausted_when_its_last_attempt_has_ended(loop_platform: Platform, data: int) -> None:
    want = starting.judgement("diabetes", data)
    while run := starting.ensure(want):
        assert not starting.is_exhausted(want)
        end(run, Failed())
    assert starting.is_exhausted(want)
    starting.start_retrain("diabetes", {"at_least": data})
    assert not starting.is_exhausted(want)


def test_what_is_under_way_is_about_something(loop_platform: Platform, data: int) -> None:
    assert starting.under_way("diabetes") == []
    starting.start_retrain("diabetes", {})
    run = starting.start_retrain("diabetes", {"at_least": data})
    assert [found.id for found in starting.under_way("diabetes")] == [run.id]
    end(run, Completed())
    assert starting.under_way("diabetes") == []
