"""Services killed at any moment, again and again: the same facts come about, and nothing twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.installation import Installation, make_batch, started
from tests.waiting import wait_for

pytestmark = pytest.mark.long

VICTIMS = ("server", "worker", "listener", "launcher", "shipper", "postgres", "prod-diabetes-0", "a run")
ROUNDS = 8
SETTLED = 240.0


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with started(tmp_path_factory.mktemp("chaos")) as made:
        yield made


def document(installation: Installation, *arguments: str) -> object:
    return json.loads(installation.run(*arguments, "--json").stdout)


def kill(installation: Installation, victim: str) -> None:
    """End one service, or every flow run in progress, without a word; what is just starting is waited for."""
    wait_for(lambda: installation.services()["launcher" if victim == "a run" else victim]["pid"])
    if victim != "a run":
        os.kill(installation.pid(victim), signal.SIGKILL)
        return
    for run in psutil.Process(installation.pid("launcher")).children():
        run.kill()


def journal(installation: Installation) -> list[dict[str, Any]]:
    entries = document(installation, "history", "diabetes")
    assert isinstance(entries, list)
    return entries


def judgements(installation: Installation) -> list[int]:
    """The dataset version of every decision of the gate, oldest first."""
    decided = (entry for entry in journal(installation) if entry["action"] in ("registered", "rejected"))
    return [int(entry["details"]["dataset_version"]) for entry in decided]


@pytest.mark.parametrize("victim", ["server", "worker", "listener", "launcher", "shipper", "postgres"])
def test_what_is_killed_is_back_within_ten_seconds(installation: Installation, victim: str) -> None:
    before = installation.pid(victim)
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        now = installation.services()[victim]
        return bool(now["healthy"]) and now["pid"] != before

    wait_for(back, 10, 0.2)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_batch_arrives_and_is_judged_once(installation: Installation, seed: int) -> None:
    chance = random.Random(seed)
    before = document(installation, "data", "diabetes")
    assert isinstance(before, dict)
    batch = make_batch(installation.state / f"batch {seed}.csv", rows=60 + seed, shift=1.0 + seed)
    assert installation.run("ingest", str(batch), "--recipe", "diabetes").returncode == 0
    time.sleep(chance.uniform(0, 12))  # The moment of the kill is what the seed varies; there is nothing to wait for.
    for victim in chance.sample(VICTIMS, chance.choice([1, 2, 3])):
        kill(installation, victim)

    def judged() -> bool:
        after = document(installation, "data", "diabetes")
        assert isinstance(after, dict)
        arrived = after["rows"] == before["rows"] + 60 + seed
        return bool(arrived and after["dataset_version"] in judgements(installation))

    wait_for(judged, SETTLED, 0.5)
    decided = judgements(installation)
    assert len(decided) == len(set(decided)), "no dataset version is judged twice"


def test_thirty_batches_within_a_minute_are_all_accepted_and_judged(installation: Installation) -> None:
    before = document(installation, "data", "diabetes")
    assert isinstance(before, dict)
    for number in range(30):
        # Other rows than those of the rounds, whichever come first: what is known already is a duplicate.
        batch = make_batch(installation.state / f"many {number}.csv", rows=60, shift=0.55 + number / 10)
        installation.run("ingest", str(batch), "--recipe", "diabetes")

    def settled() -> bool:
        data = document(installation, "data", "diabetes")
        assert isinstance(data, dict)
        arrived = data["rows"] == before["rows"] + 30 * 60
        return bool(arrived and max(judgements(installation)) == data["dataset_version"])

    wait_for(settled, 600, 0.5)
