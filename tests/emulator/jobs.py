"""Training jobs that really run: as processes of this machine, with their inputs read and their outputs stored.

A cluster has as many nodes as it says; a job waits until one is free. What a job writes is its log. Its outputs are
stored when it has succeeded. A node that is taken away, as low-priority ones are, ends the job; then it waits for
another node and begins anew.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests import launched
from tests.emulator.blobs import Blobs
from tests.emulator.http import now
from tests.emulator.resources import Resource
from tests.emulator.world import World

PLACEHOLDER: Final = re.compile(r"\$\{\{(inputs|outputs)\.(\w+)\}\}")
DATASTORE: Final = re.compile(r"azureml://(?:.*/)?datastores/([^/]+)/paths/(.*)")
KEPT: Final = ("LANG", "LC_ALL", "COVERAGE_PROCESS_START")
"""Variables of this process that a job sees too."""
DEFAULT: Final = "default"
"""The output that every job has for its logs."""
OVER: Final = ("Completed", "Failed", "Canceled")
POLL: Final = 0.02


class Jobs:
    """Every job of one offline Azure. A node takes `queue_seconds` to come, and `preempt` takes some away."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._nodes: dict[str, threading.Semaphore] = {}
        self._preemptions = 0
        self.queue_seconds = 0.0
        self.known: dict[str, Job] = {}

    def submit(self, document: Resource) -> None:
        """Begin the job of a stored document."""
        job = Job(self._world, self, document)
        self.known[document["name"]] = job
        job.start()

    def preempt(self, times: int) -> None:
        """Take the node from so many jobs, each as soon as it has written something."""
        with self._lock:
            self._preemptions = times

    def takes_node_away(self) -> bool:
        """Whether the job that asks loses its node."""
        with self._lock:
            taken = self._preemptions > 0
            self._preemptions -= taken
        return taken

    def nodes(self, compute: str) -> threading.Semaphore:
        """The nodes of a cluster, by its resource id."""
        scale = self._world.resources.get(compute).document["properties"]["properties"]["scaleSettings"]
        with self._lock:
            return self._nodes.setdefault(compute.lower(), threading.Semaphore(scale["maxNodeCount"]))

    def close(self) -> None:
        for job in self.known.values():
            job.cancel()
        for job in self.known.values():
            job.join()


class Job:
    """One job and its thread."""

    def __init__(self, world: World, jobs: Jobs, document: Resource) -> None:
        self._world, self._jobs = world, jobs
        self._id: str = document["id"]
        self._asked: dict[str, Any] = document["properties"]
        self._folder = world.folder / "jobs" / document["name"]
        self.log = self._folder / "std_log.txt"
        self.times: dict[str, str | None] = {"createdTimeUtc": now(), "startTimeUtc": None, "endTimeUtc": None}
        self.error: str | None = None
        self.runs = 0
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="emulator-job", daemon=True)

    def start(self) -> None:
        self._folder.mkdir(parents=True)
        self._thread.start()

    def cancel(self) -> None:
        self._cancelled.set()

    def join(self) -> None:
        self._thread.join(20)

    @property
    def status(self) -> str:
        found: str = self._world.resources.get(self._id).document["properties"]["status"]
        return found

    def _run(self) -> None:
        status = "Failed"
        try:
            status = self._work()
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
        finally:
            self.times["endTimeUtc"] = now()
            self._become(status)

    def _work(self) -> str:
        """Run on one node after the other, until one is not taken away; returns how the job ended."""
        while True:
            self._become("Queued")
            if not self._get_node():
                return "Canceled"
            try:
                code = self._on_node()
            finally:
                self._jobs.nodes(self._asked["computeId"]).release()
            if self._cancelled.is_set():
                return "Canceled"
            if code is not None:
                return self._end(code)

    def _get_node(self) -> bool:
        """Wait for a node; False if the job is cancelled first."""
        time.sleep(self._jobs.queue_seconds)
        nodes = self._jobs.nodes(self._asked["computeId"])
        while not self._cancelled.is_set():
            if nodes.acquire(timeout=POLL):
                return True
        return False

    def _on_node(self) -> int | None:
        """Run the command; returns its exit code, or None if the node was taken away."""
        self.runs += 1
        work = self._folder / f"node-{self.runs}"
        places = self._prepare(work)
        command = PLACEHOLDER.sub(lambda found: str(places[found[1], found[2]]), self._asked["command"])
        self.times["startTimeUtc"] = now()
        self._become("Running")
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=work / "code",
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        code = self._wait(process)
        if code == 0 and not self._cancelled.is_set():
            self._become("Finalizing")
            self._each("outputs", lambda name, place: self._store(places["outputs", name], place))
        return code

    def _wait(self, process: subprocess.Popen[bytes]) -> int | None:
        limit = re.fullmatch(r"PT(\d+)S", str((self._asked.get("limits") or {}).get("timeout")))
        deadline = time.monotonic() + float(limit[1]) if limit else None
        while (code := _ended(process)) is None:
            if self._cancelled.is_set():
                return _kill(process)
            if self.log.stat().st_size and self._jobs.takes_node_away():
                _kill(process)
                return None
            if deadline and time.monotonic() > deadline:
                self.error = "The job was cancelled, because it ran longer than its limit."
                return _kill(process)
        return None if self._jobs.takes_node_away() else code

    def _prepare(self, work: Path) -> dict[tuple[str, str], Path]:
        """Bring code and inputs to the node; returns where its inputs and outputs are."""
        blobs, places = self._world.part(Blobs), {}
        container, path = self._code()
        blobs.download(container, path, work / "code")

        def fetch(name: str, place: dict[str, Any]) -> None:
            places["inputs", name] = work / "inputs" / name
            blobs.download(*self._place(place["uri"]), places["inputs", name])

        def make(name: str, place: dict[str, Any]) -> None:
            places["outputs", name] = work / "outputs" / name
            places["outputs", name].mkdir(parents=True)

        self._each("inputs", fetch)
        self._each("outputs", make)
        return places

    def _each(self, kind: str, act: Callable[[str, dict[str, Any]], None]) -> None:
        for name, place in (self._asked.get(kind) or {}).items():
            if name != DEFAULT:
                act(name, place)

    def _store(self, folder: Path, place: dict[str, Any]) -> None:
        container, path = self._place(place["uri"])
        self._world.part(Blobs).upload(folder, container, path)

    def _code(self) -> tuple[str, str]:
        """Container and path of the job's code."""
        document = self._world.resources.get(_resource(self._asked["codeId"])).document
        container, _, path = document["properties"]["codeUri"].partition("/pending-")[2].partition("/")
        return f"pending-{container}", path

    def _place(self, uri: str) -> tuple[str, str]:
        """Container and path of an address of a datastore, or of a data asset."""
        if "/data/" in uri:
            return self._place(self._world.resources.get(_resource(uri)).document["properties"]["dataUri"])
        found = DATASTORE.fullmatch(uri)
        if found is None:
            raise ValueError(f"{uri} is no address of a datastore")
        workspace = self._id.rsplit("/jobs/", 1)[0]
        datastore = self._world.resources.get(f"{workspace}/datastores/{found[1]}").document
        return datastore["properties"]["containerName"], found[2]

    def _environment(self) -> dict[str, str]:
        given = self._asked.get("environmentVariables") or {}
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        path = f"{launched.with_python(self._folder)}:{os.environ['PATH']}"
        return {
            **kept,
            **given,
            "PATH": path,
            "HOME": str(self._folder),
            "AZUREML_RUN_ID": self._id.rsplit("/", 1)[1],
        }

    def _end(self, code: int) -> str:
        shutil.rmtree(self._folder / f"node-{self.runs}", ignore_errors=True)
        if code == 0:
            return "Completed"
        message = f"Execution failed. User process 'bash' exited with status code {code}."
        self.error = self.error or f"{message} Please check log file 'user_logs/std_log.txt' for error details."
        return "Failed"

    def _become(self, status: str) -> None:
        def change(document: Resource) -> None:
            document["properties"]["status"] = status

        self._world.resources.change(self._id, change)


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(POLL)
    except subprocess.TimeoutExpired:
        return None


def _kill(process: subprocess.Popen[bytes]) -> int:
    os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _resource(reference: str) -> str:
    return reference.removeprefix("azureml:")
