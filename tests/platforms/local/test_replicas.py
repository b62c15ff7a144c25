from __future__ import annotations

import asyncio
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from functools import partial
from pathlib import Path

import psutil
import pytest

from platforms.errors import PlatformError
from platforms.local import replica, replica_set
from platforms.local.endpoint_files import EndpointFiles
from platforms.local.replicas import ReplicaSets
from platforms.settings import Settings
from platforms.values import EndpointStatus
from tests.platforms.local.supervised import BODY, Bench
from tests.waiting import awaited, wait_for


@pytest.fixture
def bench(settings: Settings, tmp_path: Path) -> Bench:
    changed = settings.model_copy(update={"prod_replicas": 2, "ready_timeout": 15.0, "drain_timeout": 2.0})
    return Bench(changed, tmp_path / "images")


class Load:
    """Clients that ask all the time, with fresh and with kept connections, and count how they fare."""

    def __init__(self, bench: Bench, status: EndpointStatus) -> None:
        self.answers: Counter[str] = Counter()
        self._request = bench.request(status)
        self._address = status.url.removeprefix("http://")
        self._stop = threading.Event()
        pauses = (None, None, 0.0, 0.0, 0.2)
        self._threads = [threading.Thread(target=self._ask, args=(pause,)) for pause in pauses]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, pause: float | None) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=5)
        while not self._stop.is_set():
            try:
                outcome = self._fresh() if pause is None else self._kept(connection)
            except (OSError, http.client.HTTPException) as error:
                outcome = repr(error)
                connection.close()
            self.answers[outcome] += 1
            self._stop.wait(pause or 0)
        connection.close()

    def _fresh(self) -> str:
        with urllib.request.urlopen(self._request, timeout=5) as answer:
            answer.read()
        return "answered"

    def _kept(self, connection: http.client.HTTPConnection) -> str:
        connection.request("POST", "/score", BODY, dict(self._request.headers))
        answer = connection.getresponse()
        answer.read()
        return "answered" if answer.status == 200 else str(answer.status)


def test_replacements_under_load_lose_no_request(bench: Bench) -> None:
    with bench.supervised():
        status = bench.endpoints.apply(bench.spec(1))
        with Load(bench, status) as load:
            for version in (2, 3):
                assert bench.predict(bench.endpoints.apply(bench.spec(version))) == version
    assert load.answers.keys() == {"answered"}
    assert load.answers["answered"] > 100


@pytest.mark.long
def test_a_killed_replica_comes_back_and_the_other_answers(bench: Bench) -> None:
    with bench.supervised():
        status = bench.endpoints.apply(bench.spec(1))
        names = [(service.name, service.healthy, service.url) for service in bench.sets.services()]
        assert names == [(f"prod-diabetes-{index}", True, status.url) for index in range(2)]
        killed = bench.sets.services()[0].pid
        assert killed is not None
        with Load(bench, status) as load:
            os.kill(killed, signal.SIGKILL)
            wait_for(lambda: _pid(bench, 0) not in (killed, None) and bench.sets.services()[0].healthy)
            assert bench.predict(status) == 1.0
        assert load.answers["answered"] > 10
        assert load.answers.total() - load.answers["answered"] <= 5
        wait_for(lambda: bench.endpoints.status("diabetes", "prod") == status)


def test_a_replica_that_hangs_is_killed_and_the_other_answers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "HUNG_SECONDS", 1.5)
    with bench.supervised():
        status = bench.endpoints.apply(bench.spec(1))
        hung, other = _pid(bench, 0), _pid(bench, 1)
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        wait_for(lambda: _replaced(bench, hung))
        assert bench.predict(status) == 1.0
        assert _pid(bench, 1) == other
        assert "prod-diabetes-0 gave no sign of life for 1.5 s" in bench.log("prod-diabetes-0")


def _pid(bench: Bench, index: int) -> int | None:
    return bench.sets.services()[index].pid


def _replaced(bench: Bench, dead: int) -> bool:
    return _pid(bench, 0) != dead and bench.sets.services()[0].healthy


@pytest.mark.long
def test_a_replica_that_dies_again_and_again_is_started_again(bench: Bench) -> None:
    with bench.supervised():
        status = bench.endpoints.apply(bench.spec(1, "qa"))
        for _ in range(3):
            (service,) = bench.sets.services()
            assert service.name == "qa-diabetes-0"
            assert service.pid is not None
            os.kill(service.pid, signal.SIGKILL)
            wait_for(partial(_replaced, bench, service.pid))
        assert bench.predict(status) == 1.0


def test_what_was_wished_comes_back_as_restored(bench: Bench) -> None:
    with bench.supervised():
        bench.endpoints.apply(bench.spec(2))
        bench.endpoints.apply(bench.spec(2, "qa"))
        bench.endpoints.apply(bench.spec(1, "qa", "wine"))
    assert bench.sets.services() == []
    bench.sets.restore([bench.spec(1), bench.spec(2, "qa")])
    with bench.supervised():
        wait_for(lambda: sum(service.healthy for service in bench.sets.services()) == 3)
        for environment, version in (("prod", 1), ("qa", 2)):
            status = bench.endpoints.status("diabetes", environment)  # type: ignore[arg-type]  # both are environments
            assert status is not None
            assert bench.predict(status) == version
        assert bench.endpoints.status("wine", "qa") is None


@pytest.mark.long
def test_a_spoilt_wish_or_a_full_disk_stops_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with bench.supervised():
        status = bench.endpoints.apply(bench.spec(1))
        bench.endpoints.apply(bench.spec(1, "qa"))
        EndpointFiles(bench.settings).desired_file("diabetes", "qa").write_text("{")
        with monkeypatch.context() as patched:
            patched.setattr("platforms.local.replica_set.write", full)
            killed = bench.sets.services()[0].pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            wait_for(lambda: all(service.healthy for service in bench.sets.services()) and _pid(bench, 0) != killed)
            wait_for(lambda: "No space left" in (said := capfd.readouterr().err) or "cannot be read" in said)
        assert [bench.predict(status) for _ in range(3)] == [1.0] * 3
        assert bench.predict(bench.endpoints.apply(bench.spec(2))) == 2.0


def test_of_two_wishes_in_one_tick_of_the_clock_the_second_is_heard(bench: Bench) -> None:
    files = EndpointFiles(bench.settings)

    def locate(_: str) -> tuple[Path, Path]:
        raise PlatformError("there is no image")

    def heard(generation: str) -> bool:
        observed = files.observed("diabetes", "prod")
        return observed is not None and observed.generation == generation

    async def story() -> None:
        sets = ReplicaSets(bench.settings, locate)
        for version in (1, 2):
            wish = files.want(bench.spec(version), bench.settings.prod_port)
            os.utime(files.desired_file("diabetes", "prod"), ns=(0, 0))
            sets._scan(alive=0)
            await awaited(partial(heard, wish.generation))
        await asyncio.gather(*(replica_set.stop() for replica_set in sets._sets.values()))

    asyncio.run(story())


def test_a_replica_sees_its_own_settings_and_none_of_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORING_LOG_SAMPLE", "0.5")
    monkeypatch.setenv("SCORING_LOG_DIR", "elsewhere")
    monkeypatch.setenv("SCORING_CONTEXT", "elsewhere")
    seen = replica_set._environment(bench.settings, bench.spec(1))
    assert seen["SCORING_LOG_SAMPLE"] == "0.5"
    assert seen["SCORING_LOG_DIR"] == str(bench.settings.state_dir / "traffic" / "diabetes" / "prod")
    assert not {"RIDGELINE_STATE", "SCORING_CONTEXT"} & seen.keys()


def test_a_second_supervisor_is_refused(bench: Bench) -> None:
    with bench.supervised(), pytest.raises(PlatformError, match="another supervisor"):
        asyncio.run(ReplicaSets(bench.settings, bench.locate).run())


def test_a_replica_that_is_never_ready_is_ended(settings: Settings, tmp_path: Path) -> None:
    bench = Bench(settings.model_copy(update={"ready_timeout": 0.2, "drain_timeout": 1.0}), tmp_path / "images")
    spec = bench.spec(1, "qa")
    (bench.folder / spec.image.name / "scoring_service" / "__main__.py").write_text(
        "import time\nprint('thinking', flush=True)\ntime.sleep(60)\n"
    )
    before = set(psutil.Process().children())
    with bench.supervised():
        with pytest.raises(PlatformError, match="RIDGELINE_READY_TIMEOUT"):
            bench.endpoints.apply(spec)
        assert not set(psutil.Process().children()) - before


def test_a_missing_python_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = ReplicaSets(bench.settings, lambda name: (bench.folder / name, Path("/nowhere/python")))
    bench.sets = sets
    with bench.supervised(), pytest.raises(PlatformError, match="cannot start /nowhere/python"):
        bench.endpoints.apply(bench.spec(1))


def test_a_hanging_replica_is_killed_after_its_drain_timeout(settings: Settings, tmp_path: Path) -> None:
    bench = Bench(settings.model_copy(update={"ready_timeout": 15.0, "drain_timeout": 0.2}), tmp_path / "images")
    with bench.supervised():
        bench.endpoints.apply(bench.spec(1, "qa"))
        hanging = _pid(bench, 0)
        assert hanging is not None
        os.kill(hanging, signal.SIGSTOP)
        bench.endpoints.apply(bench.spec(2, "qa"))
        assert not psutil.pid_exists(hanging)


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from platforms.local.replicas import ReplicaSets
from platforms.settings import Settings
settings = Settings(prod_replicas=2)
asyncio.run(ReplicaSets(settings, lambda name: (Path(sys.argv[1]) / name, Path(sys.executable))).run())
"""


def test_replicas_of_a_killed_supervisor_end_and_free_the_port(bench: Bench) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(bench.folder)]
    files = EndpointFiles(bench.settings)
    with subprocess.Popen(command) as supervisor:
        try:
            wait_for(files.supervised)
            bench.endpoints.apply(bench.spec(1))
            replicas = psutil.Process(supervisor.pid).children()
            assert len(replicas) == 2
        finally:
            supervisor.kill()
    started = time.monotonic()
    gone, left = psutil.wait_procs(replicas, 8)
    assert (len(gone), left) == (2, [])
    assert time.monotonic() - started < 8
    with bench.supervised():
        wait_for(lambda: sum(service.healthy for service in bench.sets.services()) == 2)
        status = bench.endpoints.status("diabetes", "prod")
        assert status is not None
        assert bench.predict(status) == 1.0
