"""The real services, started by the real command line: first data, an answer, kills, and the way back."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator

import httpx
import pytest

from scripts.browser import browser
from tests import leaks
from tests.installation import Installation, make_batch, started
from tests.installation_offline import started_offline
from tests.platforms.local.supervised import wait_for


@pytest.fixture(scope="module", params=["local", "azure-offline"])
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Services that were started once, on each platform."""
    start = {"local": started, "azure-offline": started_offline}[request.param]
    with start(tmp_path_factory.mktemp("installation")) as made:
        yield made


def test_the_whole_life_of_an_installation(installation: Installation) -> None:
    """One test, because each chapter stands on the one before; each is told by its function."""
    first_model_answers(installation)
    the_journal_tells(installation)
    people_find_the_artifacts(installation)
    a_killed_replica_comes_back(installation)
    a_batch_survives_the_death_of_everything(installation)
    a_bad_batch_is_refused(installation)
    prefect_commands_find_the_server(installation)
    nobody_tells_a_secret(installation)
    down_leaves_nothing(installation)
    up_brings_the_endpoints_back(installation)


def first_model_answers(installation: Installation) -> None:
    document = installation.status()
    assert installation.healthy() >= {"server", "worker", "listener", "launcher"}
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
    assert "passed the API tests in qa and prod" in installation.run("history", "diabetes").stdout


def people_find_the_artifacts(installation: Installation) -> None:
    """Tables and plots of a run, in a real browser."""
    if not (shutil.which("chromium") or os.environ.get("CI")):
        return
    url = str(installation.status()["prefect_url"])
    artifacts = httpx.post(f"{url}/api/artifacts/filter", json={}, trust_env=False).json()
    newest = {artifact["key"]: artifact["id"] for artifact in artifacts}
    with browser() as page:
        page.open(f"{url}/artifacts/artifact/{newest['diabetes-verdict']}")
        page.wait_for("first model: there is no champion to compare with")
        page.open(f"{url}/artifacts/artifact/{newest['diabetes-residuals']}")
        wait_for(lambda: any(width > 100 for width in page.images()), 30)


def a_killed_replica_comes_back(installation: Installation) -> None:
    before = installation.replicas()
    assert len(before) == 2
    os.kill(before[1], signal.SIGKILL)
    assert installation.score().status_code == 200
    wait_for(lambda: len(installation.replicas()) == 2 and before[1] not in installation.replicas(), 20)


def a_batch_survives_the_death_of_everything(installation: Installation) -> None:
    """Kill server, worker, listener and launcher while a batch is on its way: it arrives, once."""
    batch = make_batch(installation.state / "a new batch.csv", rows=40, shift=1.0)
    assert installation.run("ingest", str(batch), "--recipe", "diabetes").returncode == 0
    for service in ("listener", "server", "worker", "launcher"):
        os.kill(installation.pid(service), signal.SIGKILL)
    done = installation.run("ingest", str(batch), "--recipe", "diabetes", "--wait", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(installation.run("data", "diabetes", "--json").stdout)
    assert (data["rows"], data["dataset_version"]) == (442 + 40, 2)
    # The second arrival took the first one's place in the landing folder, before or after that one was accepted.
    wait_for(lambda: sorted(installation.batches()) in (["accepted"] * 2, ["accepted", "duplicate"]), 60)


def a_bad_batch_is_refused(installation: Installation) -> None:
    batch = installation.state / "bad.csv"
    batch.write_text("age,sex\n1,2\n")
    done = installation.run("ingest", str(batch), "--recipe", "diabetes", "--wait", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["state"] == "quarantined"
    assert "'bmi'" in done.stdout


def prefect_commands_find_the_server(installation: Installation) -> None:
    values = dict(line.replace("'", "").split("=", 1) for line in installation.env_file.read_text().splitlines())
    url = installation.status()["prefect_url"]
    assert values["PREFECT_API_URL"] == f"{url}/api"
    assert httpx.get(f"{values['PREFECT_API_URL']}/health", trust_env=False).status_code == 200


def nobody_tells_a_secret(installation: Installation) -> None:
    """No log, artifact, image, tag, parameter or database has the value of a secret."""
    secrets = installation.secrets()
    assert {"scoring-diabetes-qa", "scoring-diabetes-prod"} <= {name.split(",")[0] for name in secrets}
    assert leaks.told(secrets, installation.left_behind()) == []


def down_leaves_nothing(installation: Installation) -> None:
    assert installation.processes()
    assert installation.run("down").returncode == 0
    assert installation.processes() == []
    assert installation.status()["services"] == []


def up_brings_the_endpoints_back(installation: Installation) -> None:
    before = json.loads(installation.run("history", "diabetes", "--json").stdout)
    done = installation.run("up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    assert installation.score().status_code == 200
    after = json.loads(installation.run("history", "diabetes", "--json").stdout)
    assert after == before, "coming back is no new decision"
