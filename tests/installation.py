"""One installation for tests: a state folder and ports of its own, used by the command line only."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from platforms.local import postgres
from platforms.settings import ROOT
from recipes import catalog
from tests import leaks
from tests.ports import free_port
from tests.waiting import wait_for

ROW = [0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.02, -0.018]

NOT_INHERITED = ("PREFECT_", "RIDGELINE_", "COVERAGE")
"""What these tests cover, smaller ones cover too; to measure it in a dozen processes doubles their time."""

Document = dict[str, list[dict[str, object]]]


class Installation:
    """One state folder with ports of its own, used by the command line only; its platform is `given` by variables.

    `root` is the clone whose code runs.
    """

    logged = frozenset({"qa", "prod"})
    """The environments whose requests are kept."""

    def __init__(self, folder: Path, given: Mapping[str, str] | None = None, root: Path = ROOT) -> None:
        self.root = root
        self.state = folder / "state"
        self.env_file = folder / "env"
        names = ("PREFECT", "QA", "PROD", "MLFLOW")
        ports = {f"RIDGELINE_{name}_PORT": str(free_port()) for name in names}
        self.prefect_api = f"http://127.0.0.1:{ports['RIDGELINE_PREFECT_PORT']}/api"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)},
            **ports,
            "RIDGELINE_STATE": str(self.state),
            "RIDGELINE_ENV_FILE": str(self.env_file),
            **(given or {}),
        }

    def run(self, *arguments: str, timeout: float = 200) -> subprocess.CompletedProcess[str]:
        """One `ridgeline` command; the pipes would keep it from returning if something it started held them."""
        command = [sys.executable, "-m", "cli.main", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=timeout
        )

    def status(self) -> Document:
        document: Document = json.loads(self.run("status", "--json").stdout)
        return document

    def services(self) -> dict[str, dict[str, object]]:
        """What the status document says of each service, by its name."""
        return {str(entry["name"]): entry for entry in self.status()["services"]}

    def pid(self, service: str) -> int:
        return int(str(self.services()[service]["pid"]))

    def healthy(self) -> set[str]:
        return {name for name, entry in self.services().items() if entry["healthy"]}

    def processes(self) -> list[psutil.Process]:
        """Everything that runs in the name of this state folder."""
        return [process for process in psutil.process_iter() if str(self.state) in _environment(process)]

    def killed(self) -> bool:
        """End all of them without a word; whether nothing was there to be ended."""
        found = self.processes()
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return not found

    @functools.cached_property
    def _prod(self) -> dict[str, object]:
        """What the status document says of production once it serves; to ask takes as long as a service's start."""
        return next(entry for entry in self.status()["endpoints"] if entry["environment"] == "prod")

    def score(self) -> httpx.Response:
        """What production answers to one row, asked where and how the status document says."""
        headers = {"authorization": f"Bearer {self.key(self._prod)}"}
        return httpx.post(f"{self._prod['url']}/score", json={"data": [ROW]}, headers=headers, trust_env=False)

    def key(self, endpoint: Mapping[str, object]) -> str:
        """The first key of an endpoint."""
        return (self.root / str(endpoint["key_file"])).read_text().split()[1]

    def secrets(self) -> Mapping[str, str]:
        """The values that nobody may tell, by name."""
        return {str(endpoint["key_secret"]): self.key(endpoint) for endpoint in self.status()["endpoints"]}

    def left_behind(self) -> leaks.Evidence:
        """Everything that was written, but where secrets are kept: logs, artifacts, images, runs, databases."""
        yield from leaks.in_folder(self.state, "secrets")
        yield from leaks.in_prefect(self.prefect_api)

    def close_segments(self) -> None:
        """Have the request log closed where it is read only then; here it is read where it is written."""

    def batches(self) -> list[str]:
        """The state of every batch."""
        return [entry["state"] for entry in json.loads(self.run("data", "diabetes", "--json").stdout)["batches"]]

    def kill_replica(self) -> int:
        """Kill a process behind the prod endpoint; returns when no new connection reaches it."""
        victim = self.replicas()[-1]
        os.kill(victim, signal.SIGKILL)
        return victim

    def replicas(self) -> list[int]:
        """The processes behind the prod endpoint, those that are healthy."""
        prod = [entry for name, entry in self.services().items() if name.startswith("prod-")]
        return [int(str(entry["pid"])) for entry in prod if entry["healthy"]]


def _environment(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("RIDGELINE_SUPERVISED", ""))
    except psutil.Error:
        return ""


def make_batch(file: Path, rows: int, shift: float) -> Path:
    """Write rows of the seed data with other targets: content that never arrived before."""
    frame = catalog.load("diabetes").seed_data().sample(rows, random_state=rows)
    frame.assign(Y=frame["Y"] + shift).to_csv(file, index=False)
    return file


@contextmanager
def started(folder: Path) -> Iterator[Installation]:
    """An installation that `up --detach` has brought up on an empty state, and that is wiped at the end."""
    with brought_up(Installation(folder)) as made:
        yield made


@contextmanager
def started_in_trouble(folder: Path) -> Iterator[Installation]:
    """The same, although the worker dies as soon as the first data has landed."""
    killed: list[str] = []

    def the_worker_dies(over: Callable[[], bool]) -> None:
        landed = made.state / "storage" / "landing" / "diabetes" / "seed.csv"
        wait_for(lambda: over() or landed.exists(), 400)
        if over():
            return
        os.kill(made.pid("worker"), signal.SIGKILL)
        killed.append("worker")

    made = Installation(folder)
    with brought_up(made, the_worker_dies):
        assert killed, "nothing was seen to land"
        yield made


@contextmanager
def brought_up(
    made: Installation, meanwhile: Callable[[Callable[[], bool]], None] = lambda over: None
) -> Iterator[Installation]:
    """The same for any installation, while something happens to it; it is told whether `up` is over."""
    try:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(made.run, "up", "--detach", timeout=420)
            meanwhile(coming.done)
            done = coming.result()
        assert done.returncode == 0, done.stdout + done.stderr
        yield made
    finally:
        made.run("down")
        postgres.wipe(made.state)
