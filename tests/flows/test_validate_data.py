from __future__ import annotations

import json
from collections.abc import Callable

from flows.validate_data import validate_data
from platforms.protocols import Platform
from tests.flows.conftest import content, seed_csv

Land = Callable[[str, bytes], str]


def test_a_good_batch_is_accepted_once(loop_platform: Platform, landed: Land) -> None:
    path = landed("first batch.csv", seed_csv(slice(120)))
    state = validate_data(path, return_state=True)
    version = loop_platform.datasets.version("diabetes")
    assert (state.name, version.rows) == ("Accepted", 120)
    assert state.message == f"dataset version {version.version} with 120 rows"
    assert loop_platform.storage.list("landing/") == []
    assert [blob.path.endswith("/first batch.csv") for blob in loop_platform.storage.list("accepted/")] == [True]


def test_a_second_batch_is_a_second_version(loop_platform: Platform, landed: Land) -> None:
    validate_data(landed("a.csv", seed_csv(slice(120))), return_state=True)
    first = loop_platform.datasets.version("diabetes")
    validate_data(landed("b.csv", seed_csv(slice(120, None))), return_state=True)
    second = loop_platform.datasets.version("diabetes")
    assert (second.version - first.version, second.rows) == (1, 442)
    assert second.fingerprint != first.fingerprint


def test_a_bad_batch_goes_to_quarantine_with_its_report(loop_platform: Platform, landed: Land) -> None:
    lines = seed_csv(slice(50)).decode().splitlines()
    lines[3] = "99" + lines[3][lines[3].index(",") :]
    state = validate_data(landed("bad.csv", "\n".join(lines).encode()), return_state=True)
    assert state.name == "Quarantined"
    assert "'age'" in str(state.message)
    quarantined = {blob.path.rsplit("/", 1)[1]: blob.path for blob in loop_platform.storage.list("quarantine/")}
    assert set(quarantined) == {"bad.csv", "bad.csv.report.json"}
    report = json.loads(content(loop_platform, quarantined["bad.csv.report.json"]))
    assert report["findings"][0]["column"] == "age"
    assert report["findings"][0]["rows"] == [3]
    assert loop_platform.storage.list("landing/") == loop_platform.storage.list("accepted/") == []


def test_a_run_that_died_after_the_commit_is_finished_by_the_next(loop_platform: Platform, landed: Land) -> None:
    from tasks import data, quality

    path = landed("half.csv", seed_csv(slice(60)))
    blob = loop_platform.storage.stat(path)
    rows = quality.check_batch.fn("diabetes", blob).rows
    assert rows is not None
    data.accept_batch.fn("diabetes", blob, rows)
    state = validate_data(path, return_state=True)
    assert state.name == "Duplicate"
    assert loop_platform.datasets.version("diabetes").rows == 60
    assert loop_platform.storage.list("landing/") == []


def test_the_log_of_the_run_is_archived(loop_platform: Platform, landed: Land) -> None:
    state = validate_data(landed("a.csv", seed_csv(slice(60))), return_state=True)
    run = state.state_details.flow_run_id
    log = content(loop_platform, f"logs/diabetes/{run}/flow.log").decode()
    assert "check_batch" in log


def test_a_missing_blob_fails_and_names_it(loop_platform: Platform) -> None:
    state = validate_data("landing/diabetes/nothing.csv", return_state=True)
    assert state.is_failed()
    assert "nothing.csv" in str(state.message)
