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
import time
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings
from prefect.workers.process import ProcessWorker

from platforms.local import launch_client, lost_runs
from platforms.settings import ROOT, Settings

BEAT = 2.0
"""Seconds between two signs of life."""
SWEEP = 20.0
"""Seconds between two looks for lost runs, and the least age of a state that may be one."""
GRACE = 6.0
"""Seconds that runs in progress have at the end."""


def template(launcher: str | None) -> dict[str, object]:
    """The pool's base job template: flow runs start in the clone and, if there is one, through the launcher."""
    result = ProcessWorker.get_default_base_job_template()
    properties = result["variables"]["properties"]
    properties["working_dir"]["default"] = str(ROOT)
    if launcher:
        properties["command"]["default"] = shlex.join((*launch_client.command(launcher), "prefect.engine"))
    return result


async def main(alive: Path) -> None:
    """Wait for the server, make or update the pool, then poll it; touch `alive` as long as polling works."""
    settings = Settings()
    async with get_client() as client:
        while await client.api_healthcheck() is not None:
            await asyncio.sleep(0.2)
        await _offer_pool(client, settings)
        await lost_runs.settle(client, settings.work_pool, settings.state_dir, timedelta(0))
    worker = ProcessWorker(
        work_pool_name=settings.work_pool,
        name="ridgeline",
        create_pool_if_not_found=False,
        limit=settings.worker_limit,
    )
    work = asyncio.create_task(worker.start())
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    beat = asyncio.create_task(_beat(worker, alive))
    sweep = asyncio.create_task(_sweep(settings))
    end = asyncio.create_task(ending.wait())
    await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
    beat.cancel()
    sweep.cancel()
    if not work.done():
        await _finish(worker)
        work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _finish(worker: ProcessWorker) -> None:
    """Take no more runs, and let those in progress tell the server that they crash; Prefect would kill them mute."""
    limiter = worker.limiter
    limiter.total_tokens = limiter.borrowed_tokens + 1
    limiter.acquire_on_behalf_of_nowait(worker)
    limiter.total_tokens = 1
    runs = psutil.Process().children()
    for run in runs:
        with contextlib.suppress(psutil.Error):
            run.terminate()
    deadline = time.monotonic() + GRACE
    while limiter.borrowed_tokens > 1 and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


async def _offer_pool(client: PrefectClient, settings: Settings) -> None:
    job = template(os.environ.get(launch_client.VARIABLE))
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
        if worker.is_setup and worker.is_worker_still_polling(query_interval_seconds=interval):
            alive.touch()
        await asyncio.sleep(BEAT)


async def _sweep(settings: Settings) -> None:
    """Look for runs that a killed worker left and that died later; none may be between its states and its process."""
    async with get_client() as client:
        while True:
            await asyncio.sleep(SWEEP)
            with contextlib.suppress(httpx.HTTPError):
                await lost_runs.settle(client, settings.work_pool, settings.state_dir, timedelta(seconds=SWEEP))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
