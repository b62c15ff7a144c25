"""A Prefect server for tests, on the embedded PostgreSQL: on SQLite two writers at once may wait for a minute."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from platforms.local import postgres, services
from platforms.local.service import Service, Spec
from platforms.settings import Settings
from tests import launched
from tests.background import background
from tests.ports import free_port


@contextmanager
def prefect_server(auth: str | None = None, start_timeout: float = 90.0) -> Iterator[str]:
    """Run the database and the server in a temporary folder; yields the URL of the API."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            state=Path(folder) / "state", prefect_port=free_port(), prefect_auth=auth and SecretStr(auth)
        )
        settings.state_dir.mkdir()
        ready = threading.Event()
        try:
            with background(lambda: _serve(settings, ready)):
                assert ready.wait(start_timeout), "the Prefect server did not start"
                yield f"{settings.prefect_url}/api"
        finally:
            postgres.wipe(settings.state_dir)


async def _serve(settings: Settings, ready: threading.Event) -> None:
    url, database = services.database(settings)
    assert database is not None
    async with _kept(database), _kept(_frugal(services.server(settings, url))):
        ready.set()
        await asyncio.Event().wait()


def _frugal(spec: Spec) -> Spec:
    """Neither UI, blocks nor records of events and task runs; no event starts a run, whose test would be over.

    The program is forked from the tests' launcher, if there is one.
    """
    names = {
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
    }
    command = (*launched.python(), "prefect", "server", "start")
    return replace(spec, command=command, environment={**spec.environment, **names})


@asynccontextmanager
async def _kept(spec: Spec) -> AsyncIterator[None]:
    service = Service(spec)
    keeper = asyncio.create_task(service.keep())
    try:
        await service.healthy.wait()
        yield
    finally:
        keeper.cancel()
        await service.stop()
