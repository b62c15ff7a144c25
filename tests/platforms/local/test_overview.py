from __future__ import annotations

import os

from platforms.local import overview, record
from platforms.local.endpoint_files import EndpointFiles, Observed, write
from platforms.local.secrets import FileSecrets
from platforms.local.status import ServiceStatus
from platforms.settings import Settings
from platforms.values import EndpointSpec, Image


def test_nothing_runs(settings: Settings) -> None:
    found = overview.describe(settings)
    assert found == {"platform": "local", "services": [], "endpoints": [], "prefect_url": None}
    assert overview.table(found) == "nothing runs: start it by `ridgeline up`"


def test_services_and_endpoints_are_listed(settings: Settings) -> None:
    settings.state_dir.mkdir()
    files = EndpointFiles(settings)
    spec = EndpointSpec("diabetes", "prod", Image("diabetes:1-abc", "1" * 64), 1)
    keys = settings.state_dir / "secrets"
    FileSecrets(keys).create("scoring-diabetes-prod", "default key")
    desired = files.want(spec, settings.prod_port)
    write(files.observed_file("diabetes", "prod"), Observed(desired.generation, "ready", spec, 2))
    record.write(settings, "up", [ServiceStatus("server", os.getpid(), True, settings.prefect_url)])
    with files.supervising():
        found = overview.describe(settings)
    assert found["prefect_url"] == settings.prefect_url
    assert found["services"] == [{"name": "server", "pid": os.getpid(), "healthy": True, "url": settings.prefect_url}]
    assert found["endpoints"] == [
        {
            "recipe": "diabetes",
            "environment": "prod",
            "url": f"http://127.0.0.1:{settings.prod_port}",
            "model_version": 1,
            "image": "diabetes:1-abc",
            "ready": True,
            "key_secret": "scoring-diabetes-prod",
            "key_file": str(keys / "scoring-diabetes-prod"),
        }
    ]
    lines = overview.table(found).splitlines()
    assert [line.split()[0] for line in lines] == ["server", "diabetes", "Prefect:"]


def test_a_service_that_just_died_is_not_healthy(settings: Settings) -> None:
    settings.state_dir.mkdir()
    record.write(settings, "up", [ServiceStatus("worker", 2**22 - 1, True, None)])
    assert overview.describe(settings)["services"][0]["healthy"] is False
