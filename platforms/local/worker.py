"""The worker of the work pool: Prefect's own process worker, in a pool that starts flow runs by the launcher.

`prefect worker start` would do, but it needs the pool first, and the pool needs the template of this worker's class:
so both are made here, in one process that imports Prefect once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from pathlib import Path

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings
from prefect.workers.process import ProcessWorker

from platforms.settings import ROOT, Settings

BEAT = 2.0
"""Seconds between two signs of life."""


def template(launcher: str | None) -> dict[str, object]:
    """The pool's base job template: flow runs start in the clone and, if there is one, through the launcher."""
    result = ProcessWorker.get_default_base_job_template()
    properties = result["variables"]["properties"]
    properties["working_dir"]["default"] = str(ROOT)
    if launcher:
        client = Path(__file__).with_name("launch_client.py")
        command = [sys.executable, "-S", "-E", "-s", str(client), launcher, "prefect.engine"]
        properties["command"]["default"] = shlex.join(command)
    return result


async def main(alive: Path) -> None:
    """Wait for the server, make or update the pool, then poll it; touch `alive` as long as polling works."""
    settings = Settings()
    async with get_client() as client:
        while await client.api_healthcheck() is not None:
            await asyncio.sleep(0.2)
        await _offer_pool(client, settings)
    worker = ProcessWorker(
        work_pool_name=settings.work_pool, name="ridgeline", create_pool_if_not_found=False, limit=None
    )
    task = asyncio.create_task(worker.start())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    beat = asyncio.create_task(_beat(worker, alive))
    with contextlib.suppress(asyncio.CancelledError):
        await task
    beat.cancel()


async def _offer_pool(client: PrefectClient, settings: Settings) -> None:
    job = template(os.environ.get("RIDGELINE_LAUNCHER"))
    limit = settings.worker_limit
    try:
        await client.create_work_pool(
            WorkPoolCreate(name=settings.work_pool, type="process", base_job_template=job, concurrency_limit=limit)
        )
    except ObjectAlreadyExists:
        changes = WorkPoolUpdate(base_job_template=job, concurrency_limit=limit)
        await client.update_work_pool(settings.work_pool, changes)


async def _beat(worker: ProcessWorker, alive: Path) -> None:
    interval = get_current_settings().worker.query_seconds
    while True:
        if worker.is_worker_still_polling(query_interval_seconds=interval):
            alive.touch()
        await asyncio.sleep(BEAT)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
