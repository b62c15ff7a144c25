from __future__ import annotations

import os
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from platforms.local import diagnosis, overview, ports, processes, record, supervisor
from platforms.local.diagnosis import GIB, Check
from platforms.local.endpoint_files import EndpointFiles, Observed, write
from platforms.local.status import ServiceStatus
from platforms.settings import Settings
from platforms.values import EndpointSpec, Image

Usage = namedtuple("Usage", ["total", "used", "free"])

GONE = 2**22 - 1
"""A pid that no process has."""


def running(settings: Settings, *statuses: ServiceStatus, phase: record.Phase = "up") -> None:
    """Make this process the supervisor."""
    settings.state_dir.mkdir(exist_ok=True)
    record.write(settings, phase, statuses)


def dead(settings: Settings, phase: record.Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the record of a supervisor that is gone."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: GONE)
        running(settings, phase=phase)


def only(checks: list[Check]) -> Check:
    [check] = checks
    return check


def test_an_empty_state_is_fine_and_stays_empty(settings: Settings) -> None:
    found = [check for look in (diagnosis.running, diagnosis.endpoints) for check in look(settings)]
    assert only(found).status == "ok"
    assert "nothing runs" in only(found).message
    assert {check.status for check in diagnosis.network(settings)} == {"ok"}
    list(diagnosis.disks(settings))
    assert not settings.state_dir.exists()


def test_healthy_services_are_counted(settings: Settings) -> None:
    running(
        settings, ServiceStatus("server", os.getpid(), True, None), ServiceStatus("worker", os.getpid(), True, None)
    )
    assert only(list(diagnosis.running(settings))) == Check("services", "ok", "2 services are healthy")


def test_each_sick_service_is_named_with_its_log(settings: Settings) -> None:
    running(settings, ServiceStatus("server", GONE, True, None), ServiceStatus("worker", None, False, None))
    found = list(diagnosis.running(settings))
    assert [(check.status, check.message) for check in found] == [
        ("problem", "server is not healthy"),
        ("problem", "worker is not healthy"),
    ]
    assert found[1].advice.endswith("worker.log")


@pytest.mark.parametrize(
    ("phase", "status", "message"),
    [
        ("stopping", "ok", "nothing runs"),
        ("failed", "problem", "the services gave up"),
        ("up", "problem", f"the supervisor (pid {GONE}) was killed"),
    ],
)
def test_what_a_gone_supervisor_wrote_last_tells_how_it_went(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, phase: record.Phase, status: str, message: str
) -> None:
    dead(settings, phase, monkeypatch)
    check = only(list(diagnosis.running(settings)))
    assert check.status == status
    assert message in check.message


def test_a_supervisor_that_just_starts_is_left_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    dead(settings, "up", monkeypatch)
    with supervisor._lock(settings):
        assert only(list(diagnosis.running(settings))).status == "warning"


def test_endpoints_are_ready_or_named(settings: Settings) -> None:
    files = EndpointFiles(settings)
    spec = EndpointSpec("diabetes", "prod", Image("diabetes:1-abc", "1" * 64), 1)
    desired = files.want(spec, settings.prod_port)
    running(settings)
    with files.supervising():
        missing = only(list(diagnosis.endpoints(settings)))
        write(files.observed_file("diabetes", "prod"), Observed(desired.generation, "ready", spec, 2))
        ready = only(list(diagnosis.endpoints(settings)))
    url = f"http://127.0.0.1:{settings.prod_port}"
    assert (missing.status, missing.message) == ("problem", f"prod of diabetes is not ready at {url}")
    assert missing.advice.endswith("prod-diabetes-*.log")
    assert (ready.status, ready.message) == ("ok", f"prod of diabetes serves diabetes:1-abc at {url}")


def test_a_stranger_on_a_port_is_named(settings: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", settings.qa_port)),
        socket.create_server(("127.0.0.1", settings.mlflow_port)),
    ):
        found = {check.message.split()[0]: check for check in diagnosis.network(settings)}
    assert found["prefect_port"].status == "ok"
    assert found["qa_port"].message == f"qa_port {settings.qa_port} is held by pid {os.getpid()}"
    assert found["qa_port"].advice == "end that process or set RIDGELINE_QA_PORT"
    assert (found["qa_port"].status, found["mlflow_port"].status) == ("problem", "warning")


@pytest.fixture
def azure(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("RIDGELINE_AZURE_SUBSCRIPTION_ID", "s")
    return settings.model_copy(update={"platform": "azure"})


def test_ports_that_nothing_here_needs_are_anybodys(azure: Settings) -> None:
    with socket.create_server(("127.0.0.1", azure.qa_port)):
        found = list(diagnosis.network(azure))
    assert only(found).message == f"prefect_port {azure.prefect_port} is free"


def test_an_endpoint_elsewhere_has_no_log_here(azure: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = {"environment": "prod", "recipe": "diabetes", "ready": False, "url": "http://prod", "image": "i"}
    monkeypatch.setattr(overview, "describe", lambda _: {"endpoints": [endpoint]})
    check = only(list(diagnosis.endpoints(azure)))
    assert (check.status, check.message) == ("problem", "prod of diabetes is not ready at http://prod")
    assert check.advice.endswith("listener.log: it puts endpoints right, and says why it cannot")


def test_ports_of_ours_are_fine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(processes, "marked", lambda _: {psutil.Process()})
    with socket.create_server(("127.0.0.1", settings.prefect_port)):
        first = next(diagnosis.network(settings))
    expected = f"prefect_port {settings.prefect_port} is held by ours (pid {os.getpid()})"
    assert (first.status, first.message) == ("ok", expected)


def test_a_process_that_is_not_shown_is_somebody_else_s(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "listeners", dict)
    with socket.create_server(("127.0.0.1", settings.prefect_port)):
        first = next(diagnosis.network(settings))
    assert (first.status, first.message) == (
        "problem",
        f"prefect_port {settings.prefect_port} is held by another user",
    )


def test_one_port_for_two_is_a_problem(settings: Settings) -> None:
    same = settings.model_copy(update={"qa_port": settings.prod_port})
    problem = only([check for check in diagnosis.network(same) if check.status != "ok"])
    assert problem.message == f"prod_port and qa_port are both {settings.prod_port}"
    assert problem.advice == "set RIDGELINE_PROD_PORT"


@pytest.mark.parametrize(("free", "status"), [(6 * GIB, "ok"), (2 * GIB, "warning"), (GIB // 2, "problem")])
def test_free_space_is_judged(settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free))
    found = list(diagnosis.disks(settings))
    assert {check.status for check in found} == {status}
    assert all(f"{free / GIB:.1f} GiB are free" in check.message for check in found)
    assert all(bool(check.advice) == (status != "ok") for check in found)


def test_a_folder_that_cannot_be_written_is_a_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    first = next(diagnosis.disks(settings))
    assert (first.status, first.message) == ("problem", f"{tmp_path} cannot be written")
