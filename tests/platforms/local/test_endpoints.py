from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from platforms.errors import NotReadyError, NotStartedError, PlatformError
from platforms.local.endpoint_ports import EndpointPorts, listen
from platforms.local.replicas import ReplicaSets
from platforms.settings import Settings
from platforms.values import EndpointSpec
from tests.platforms.local.supervised import Bench
from tests.waiting import wait_for


@pytest.fixture
def bench(settings: Settings, tmp_path: Path) -> Bench:
    changed = settings.model_copy(update={"prod_replicas": 1, "ready_timeout": 15.0, "drain_timeout": 2.0})
    return Bench(changed, tmp_path / "images")


def test_without_a_supervisor_nothing_is_applied(bench: Bench) -> None:
    with pytest.raises(PlatformError, match="ridgeline up"):
        bench.endpoints.apply(bench.spec(1))
    assert bench.endpoints.status("diabetes", "prod") is None


def test_applied_means_served(bench: Bench) -> None:
    with bench.supervised():
        status = bench.endpoints.apply(bench.spec(1))
        assert bench.endpoints.status("diabetes", "prod") == status
        assert (status.model_version, status.ready, status.key_secret) == (1, True, "scoring-diabetes-prod")
        assert status.image == bench.spec(1).image
        assert bench.predict(status) == 1.0
        pids = [service.pid for service in bench.sets.services()]
        assert bench.endpoints.apply(bench.spec(1)) == status
        assert [service.pid for service in bench.sets.services()] == pids
        key_file = bench.settings.state_dir / "secrets" / status.key_secret
        assert key_file.stat().st_mode & 0o777 == 0o600
        assert len(key_file.read_text().split()) == 2
    after = bench.endpoints.status("diabetes", "prod")
    assert after is not None
    assert not after.ready


def test_a_broken_image_leaves_what_serves(bench: Bench) -> None:
    with bench.supervised():
        before = bench.endpoints.apply(bench.spec(1))
        with pytest.raises(NotReadyError, match=r"(?s)diabetes-1 still serves.*model/weights.json has sha256"):
            bench.endpoints.apply(bench.broken(2))
        assert bench.endpoints.status("diabetes", "prod") == before
        assert bench.predict(before) == 1.0
        with pytest.raises(NotReadyError) as raised:
            bench.endpoints.apply(bench.broken(2))
        assert not isinstance(raised.value, NotStartedError)
        assert bench.predict(bench.endpoints.apply(bench.spec(3))) == 3.0


def test_settings_that_no_replica_can_start_with_are_no_verdict_on_the_image(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench.supervised():
        with monkeypatch.context() as patched:
            patched.setenv("SCORING_LOG_SAMPLE", "many")
            with pytest.raises(NotStartedError, match=r"(?s)nothing serves.*SCORING_LOG_SAMPLE: Expected `float`"):
                bench.endpoints.apply(bench.spec(1))
        assert bench.predict(bench.endpoints.apply(bench.spec(1))) == 1.0


def test_an_error_that_nobody_foresaw_fails_one_wish_and_not_the_next(bench: Bench) -> None:
    errors = [RuntimeError("can't start new thread")]

    def locate(name: str) -> tuple[Path, Path]:
        if errors:
            raise errors.pop()
        return bench.locate(name)

    bench.sets = ReplicaSets(bench.settings, locate)
    with bench.supervised():
        with pytest.raises(NotStartedError, match="can't start new thread"):
            bench.endpoints.apply(bench.spec(1))
        assert bench.predict(bench.endpoints.apply(bench.spec(2))) == 2.0


def test_a_broken_first_image_leaves_nothing(bench: Bench) -> None:
    with bench.supervised():
        with pytest.raises(NotReadyError, match="nothing serves"):
            bench.endpoints.apply(bench.broken(1))
        assert bench.endpoints.status("diabetes", "prod") is None
        wait_for(lambda: not bench.sets.services())
        assert bench.predict(bench.endpoints.apply(bench.spec(2))) == 2.0


def test_withdrawn_means_gone(bench: Bench) -> None:
    with bench.supervised():
        status = bench.endpoints.apply(bench.spec(1))
        bench.endpoints.withdraw("diabetes", "prod")
        bench.endpoints.withdraw("diabetes", "prod")
        assert bench.endpoints.status("diabetes", "prod") is None
        with pytest.raises(OSError, match="refused"):
            bench.predict(status)
        assert bench.predict(bench.endpoints.apply(bench.spec(1))) == 1.0


def test_a_taken_port_is_named_with_its_setting(bench: Bench) -> None:
    port = bench.settings.prod_port
    named = pytest.raises(NotStartedError, match=rf"port {port}: .*RIDGELINE_PROD_PORT")
    with socket.create_server(("127.0.0.1", port)), bench.supervised(), named:
        bench.endpoints.apply(bench.spec(1))


@pytest.mark.long
def test_two_at_once_end_with_one_of_them(bench: Bench) -> None:
    specs = [bench.spec(version) for version in (1, 2, 3)]
    with bench.supervised():
        bench.endpoints.apply(bench.spec(4))
        threads = [threading.Thread(target=_apply_or_be_overtaken, args=(bench, spec)) for spec in specs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: _settled(bench))
        status = bench.endpoints.status("diabetes", "prod")
        assert status is not None
        assert bench.predict(status) == status.model_version


def _apply_or_be_overtaken(bench: Bench, spec: EndpointSpec) -> None:
    with contextlib.suppress(NotStartedError):
        bench.endpoints.apply(spec)


def _settled(bench: Bench) -> bool:
    desired = bench.endpoints._files.desired("diabetes", "prod")
    observed = bench.endpoints._files.observed("diabetes", "prod")
    return bool(desired and observed and observed.served == desired.spec and observed.state == "ready")


def test_ports_are_kept_and_never_shared(settings: Settings) -> None:
    ports = EndpointPorts(settings)
    first = [ports.allocate(recipe, environment) for recipe in ("a", "b", "c") for environment in ("qa", "prod")]
    assert first[:2] == [settings.qa_port, settings.prod_port]
    assert len(set(first)) == 6
    assert [EndpointPorts(settings).allocate(recipe, "qa") for recipe in ("c", "a")] == [first[4], first[0]]


def test_a_further_recipe_skips_taken_ports_and_a_new_setting_moves_the_first(settings: Settings) -> None:
    ports = EndpointPorts(settings)
    assert ports.allocate("a", "qa") == settings.qa_port
    try:
        taken = listen(settings.host, settings.qa_port + 1)
    except OSError:
        taken = None
    assert ports.allocate("b", "qa") > settings.qa_port + 1
    if taken is not None:
        taken.close()
    moved = settings.model_copy(update={"qa_port": settings.prefect_port + 3})
    assert EndpointPorts(moved).allocate("a", "qa") == settings.prefect_port + 3


def test_urls_can_be_opened(settings: Settings) -> None:
    hosts = {"127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]", "box": "box"}
    for host, shown in hosts.items():
        given = settings.model_copy(update={"host": host, "prefect_port": 80})
        assert given.url(80) == given.prefect_url == f"http://{shown}:80"


def test_an_unreadable_wish_says_what_to_do(bench: Bench) -> None:
    bench.endpoints._files.want(bench.spec(1), 1)
    bench.endpoints._files.desired_file("diabetes", "prod").write_text("{")
    with pytest.raises(PlatformError, match=r"prod\.json cannot be read.*delete it"):
        bench.endpoints.status("diabetes", "prod")


def test_what_serves_already_is_applied_when_its_replicas_answer_again(bench: Bench) -> None:
    weights = bench.folder / bench.spec(1).image.name / "model" / "weights.json"
    content = weights.read_bytes()
    with bench.supervised():
        status = bench.endpoints.apply(bench.spec(1))
        bench.broken(1)
        (service,) = bench.sets.services()
        assert service.pid
        os.kill(service.pid, signal.SIGKILL)
        wait_for(lambda: bench.endpoints.status("diabetes", "prod") != status)
        threading.Timer(0.2, weights.write_bytes, [content]).start()
        assert bench.endpoints.apply(bench.spec(1)) == status
        assert all(service.healthy for service in bench.sets.services())
