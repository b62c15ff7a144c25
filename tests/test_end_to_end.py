"""The real services, started by the real command line: first data, an answer, kills, and the way back."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from scripts.browser import Page, browser
from tasks.contract import TEST_ID
from tests import leaks
from tests.installation import Installation, make_batch, started, started_in_trouble
from tests.installation_offline import started_offline, started_offline_in_trouble
from tests.waiting import wait_for

Start = Callable[[Path], AbstractContextManager[Installation]]
Chapters = tuple[Callable[[Installation], None], ...]

TYPED = 30.5
"""A parameter that no default is."""
NO_CHAMPION = "first model: there is no champion to compare with"
LOOK = 1.0
"""Seconds between two looks by a command, which costs as much as a service's start."""


def first_model_answers(installation: Installation) -> None:
    document = installation.status()
    healthy = {entry["name"] for entry in document["services"] if entry["healthy"]}
    assert healthy >= {"server", "worker", "listener", "launcher"}
    served = {str(entry["environment"]): entry for entry in document["endpoints"]}
    assert {name: (entry["model_version"], entry["ready"]) for name, entry in served.items()} == {
        "qa": (1, True),
        "prod": (1, True),
    }
    assert re.fullmatch(r"diabetes:1-[0-9a-f]{12}", str(served["prod"]["image"]))
    answer = installation.score()
    assert answer.status_code == 200
    assert 150 < answer.json()["result"][0] < 250


def the_journal_tells(installation: Installation) -> None:
    entries = json.loads(installation.run("history", "diabetes", "--json").stdout)
    assert [(entry["action"], entry["environment"]) for entry in entries] == [
        ("registered", None),
        ("released", "qa"),
        ("released", "prod"),
    ]
    assert [entry["previous"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]
    assert "passed the API tests in qa and prod" in entries[-1]["reason"]


def there_are_pages_to_look_at(installation: Installation) -> None:
    """The dashboard, and what people find there: the data, the verdict, its plots."""
    url = installation.prefect_api.removesuffix("/api")
    page = httpx.get(f"{url}/dashboard", headers={"accept": "text/html"}, trust_env=False)
    assert "<title>Prefect" in page.text
    shown = {str(artifact["key"]): f"{artifact['description']}{artifact['data']}" for artifact in artifacts(url)}
    assert "dataset version 1 with 442 rows" in shown["diabetes-validation"]
    assert NO_CHAMPION in shown["diabetes-verdict"]
    assert "data:image/png;base64," in shown["diabetes-residuals"]


def people_look_at_the_pages(installation: Installation) -> None:
    """The dashboard, a run with its verdict, its tables and plots, in a real browser."""
    if not has_browser():
        return
    url = installation.prefect_api.removesuffix("/api")
    with browser() as page:
        page.open(f"{url}/dashboard")
        page.wait_for("Flow Runs")
        people_find_the_artifacts(page, url)


def has_browser() -> bool:
    if shutil.which("chromium") or os.environ.get("CI"):
        return True
    warnings.warn("no chromium, nobody looked: scripts/install-test-packages", stacklevel=1)
    return False


def people_find_the_artifacts(page: Page, url: str) -> None:
    newest = {artifact["key"]: artifact["id"] for artifact in artifacts(url)}
    [retrain] = retrains(url, "Registered")
    page.open(f"{url}/runs/flow-run/{retrain['id']}")
    page.wait_for("Registered")
    page.open(f"{url}/artifacts/artifact/{newest['diabetes-validation']}")
    page.wait_for("dataset version 1 with 442 rows")
    page.open(f"{url}/artifacts/artifact/{newest['diabetes-verdict']}")
    page.wait_for(NO_CHAMPION)
    page.open(f"{url}/artifacts/artifact/{newest['diabetes-residuals']}")
    wait_for(lambda: any(width > 100 for width in page.images()), 30)


def artifacts(url: str) -> list[dict[str, Any]]:
    """Everything that flow runs have shown, the oldest first."""
    found: list[dict[str, Any]] = httpx.post(f"{url}/api/artifacts/filter", json={}, trust_env=False).json()
    return found


def people_start_a_run_by_its_form(installation: Installation) -> None:
    """What was typed arrives as a number, and so much regularisation makes a worse model."""
    if not has_browser():
        return
    url = installation.prefect_api.removesuffix("/api")
    deployment = httpx.get(f"{url}/api/deployments/name/retrain/diabetes", trust_env=False).json()

    with browser() as page:

        def started() -> bool:
            page.open(f"{url}/deployments/deployment/{deployment['id']}/run")
            wait_for(lambda: page.value("alpha") == "0.4", 30)
            page.fill("alpha", str(TYPED))
            page.click("Submit")
            page.wait_for("scheduled to start now")
            return has_retrain(url)

        # A slow server lets Prefect's page put its defaults back over what was typed: then a person types again.
        wait_for(started, 120)
    wait_for(lambda: has_retrain(url, "NotPromoted"), 120, LOOK)


def has_retrain(url: str, *states: str) -> bool:
    """Whether there is a run with the typed parameter, in one of the states if any are given."""
    return any(run["parameters"].get("alpha") == TYPED for run in retrains(url, *states))


def retrains(url: str, *states: str) -> list[dict[str, Any]]:
    """The retrain runs that are in one of these states, or in any."""
    state = {"flow_runs": {"state": {"name": {"any_": states}}}} if states else {}
    wanted = {"flows": {"name": {"any_": ["retrain"]}}, **state}
    found: list[dict[str, Any]] = httpx.post(f"{url}/api/flow_runs/filter", json=wanted, trust_env=False).json()
    return found


def a_killed_replica_comes_back(installation: Installation) -> None:
    victim = installation.kill_replica()
    assert installation.score().status_code == 200

    def back() -> bool:
        now = installation.replicas()
        return len(now) == 2 and victim not in now

    wait_for(back, 20, LOOK)


def every_answer_is_in_the_log(installation: Installation) -> None:
    answered = installation.score().headers["x-request-id"]
    installation.close_segments()
    out = installation.state / "requests.parquet"

    def environments(prefix: str) -> set[str]:
        logged = pq.read_table(out, columns=["request_id", "environment"]).to_pylist()
        return {str(row["environment"]) for row in logged if str(row["request_id"]).startswith(prefix)}

    def is_logged() -> bool:
        done = installation.run("log", "diabetes", "--out", str(out))
        assert done.returncode == 0, done.stdout + done.stderr
        return environments(answered) == {"prod"} and environments(TEST_ID) == installation.logged

    # Each replica has its own. The shipper yields to everybody: beside three busy processes it takes more than a
    # minute to start.
    wait_for(is_logged, 180, LOOK)


def a_bad_batch_is_refused(installation: Installation) -> None:
    batch = installation.state / "bad.csv"
    batch.write_text("age,sex\n1,2\n")
    done = installation.run("ingest", str(batch), "--recipe", "diabetes", "--wait", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["state"] == "quarantined"
    assert "'bmi'" in done.stdout


def prefect_commands_find_the_server(installation: Installation) -> None:
    values = dict(line.replace("'", "").split("=", 1) for line in installation.env_file.read_text().splitlines())
    assert values["PREFECT_API_URL"] == installation.prefect_api
    assert httpx.get(f"{values['PREFECT_API_URL']}/health", trust_env=False).status_code == 200


def nobody_tells_a_secret(installation: Installation) -> None:
    """No log, artifact, image, tag, parameter or database has the value of a secret."""
    secrets = installation.secrets()
    assert {"scoring-diabetes-qa", "scoring-diabetes-prod"} <= {name.split(",")[0] for name in secrets}
    assert leaks.told(secrets, installation.left_behind()) == []


def a_batch_gets_home_through_a_power_cut(installation: Installation) -> None:
    """Everything ends at once, supervisor and database included, whatever state the batch is in, and is started."""
    before = json.loads(installation.run("history", "diabetes", "--json").stdout)
    batch = make_batch(installation.state / "a new batch.csv", rows=40, shift=1.0)
    assert installation.run("ingest", str(batch), "--recipe", "diabetes").returncode == 0
    wait_for(installation.killed)
    done = installation.run("up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    assert installation.score().status_code == 200
    again = installation.run("ingest", str(batch), "--recipe", "diabetes", "--wait", "--json")
    assert again.returncode == 0, again.stdout + again.stderr
    data = json.loads(installation.run("data", "diabetes", "--json").stdout)
    assert data["rows"] == 442 + 40
    assert [entry["state"] for entry in data["batches"]].count("accepted") == 2
    entries = json.loads(installation.run("history", "diabetes", "--json").stdout)
    assert entries[: len(before)] == before, "coming back is no new decision"
    assert [entry["action"] for entry in entries[len(before) :]].count("rejected") <= 1


def down_leaves_nothing(installation: Installation) -> None:
    assert installation.processes()
    assert installation.run("down").returncode == 0
    assert installation.processes() == []
    assert installation.status()["services"] == []


BEGIN: Chapters = (first_model_answers, the_journal_tells, there_are_pages_to_look_at)
LOOK_AROUND: Chapters = (people_look_at_the_pages, people_start_a_run_by_its_form)
SERVE: Chapters = (a_killed_replica_comes_back, every_answer_is_in_the_log, prefect_commands_find_the_server)
SUFFER: Chapters = (a_bad_batch_is_refused, a_batch_gets_home_through_a_power_cut)
END: Chapters = (nobody_tells_a_secret, down_leaves_nothing)
SHORT: Chapters = (*BEGIN, *SERVE, *END)
WHOLE: Chapters = (*BEGIN, *LOOK_AROUND, *SERVE, *SUFFER, *END)


@pytest.mark.parametrize(
    ("start", "chapters"),
    [
        pytest.param(started_in_trouble, SHORT, id="local"),
        pytest.param(started_offline_in_trouble, SHORT, id="azure-offline"),
        pytest.param(started, WHOLE, id="whole-local", marks=pytest.mark.long),
        pytest.param(started_offline, WHOLE, id="whole-azure-offline", marks=pytest.mark.long),
    ],
)
def test_the_whole_life_of_an_installation(start: Start, chapters: Chapters, tmp_path: Path) -> None:
    """One test, because each chapter stands on the one before; each is told by its function."""
    with start(tmp_path) as installation:
        for chapter in chapters:
            chapter(installation)
