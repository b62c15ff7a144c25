"""The services of the local platform: how each is started and what tells that it is healthy."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from platforms import selection
from platforms.local import launch_client, postgres, processes, sockets
from platforms.local.launcher import PRELOADED
from platforms.local.service import Spec
from platforms.local.traffic import traffic_root
from platforms.settings import ROOT, Settings

FRESH = 15.0
"""Seconds after which a worker that gives no sign of life counts as hung."""
WITHOUT_THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
    "MPLBACKEND": "agg",
}
"""What keeps BLAS, Arrow and deltalake from making threads, which no fork has, and Matplotlib from a display."""


def environment(settings: Settings) -> dict[str, str]:
    """What a process must have in its environment to belong to these settings, whatever `.env` says."""
    api = f"{settings.prefect_url}/api"
    fields = settings.model_dump(mode="json", exclude_none=True)
    auth = settings.prefect_auth.get_secret_value() if settings.prefect_auth else None
    if auth:
        fields["prefect_auth"] = auth
    fields["state"] = str(settings.state_dir)
    given = [host for name in ("NO_PROXY", "no_proxy") for host in os.environ.get(name, "").split(",")]
    local = ",".join(dict.fromkeys(host for host in (*given, "127.0.0.1", "localhost", settings.host) if host))
    return {
        **{f"RIDGELINE_{name.upper()}": str(value) for name, value in fields.items()},
        "PREFECT_API_URL": api,
        **({"PREFECT_API_AUTH_STRING": auth} if auth else {}),
        "PREFECT_HOME": str(settings.state_dir / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Each new client would ask for both: the server is of the same lock, and gives tokens only if told to.
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": os.environ.get("PREFECT_SERVER_CSRF_PROTECTION_ENABLED", "false"),
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": local,
        "no_proxy": local,
        processes.MARKER: str(settings.state_dir),
    }


def log(settings: Settings, name: str) -> Path:
    """The log file of a service."""
    return settings.state_dir / "logs" / "services" / f"{name}.log"


def database(settings: Settings) -> tuple[str, Spec | None]:
    """The URL of Prefect's database and, unless the settings name one that runs elsewhere, the service behind it."""
    if settings.database_url:
        return settings.database_url, None
    cluster = postgres.locate(settings.state_dir)
    spec = Spec(
        name="postgres",
        command=cluster.command,
        environment=postgres.environment() | {processes.MARKER: str(settings.state_dir)},
        log=log(settings, "postgres"),
        account=cluster.account,
        # SIGTERM would wait until the last client is gone.
        stop_signal=signal.SIGINT,
        grace=20.0,
        check=_connects(cluster.sockets / ".s.PGSQL.5432"),
        prepare=cluster.prepare,
    )
    return cluster.url, spec


def server(settings: Settings, database_url: str) -> Spec:
    """The Prefect server with its UI."""
    names = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "15",
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": "15",
        "PREFECT_SERVER_API_HOST": settings.host,
        "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
        # Of the address that the browser was given, which may be another one than that of this machine's clients.
        "PREFECT_UI_API_URL": "/api",
        # A run that waits for its deployment's slot asks again after these seconds, and a killed run's slot is free
        # after the duration of its lease; in memory, where leases are by default, a killed server would lose them.
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "3",
        "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "60",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    if settings.prefect_auth:
        names["PREFECT_SERVER_API_AUTH_STRING"] = settings.prefect_auth.get_secret_value()
    spec = _launched(settings, "server", ("prefect", "server", "start"), names)
    return dataclasses.replace(spec, url=settings.prefect_url, check=_responds(f"{settings.prefect_url}/api/health"))


def clients(settings: Settings) -> list[Spec]:
    """What works for the server."""
    return [worker(settings), listener(settings)]


def others(settings: Settings) -> list[Spec]:
    """What needs no server."""
    return [launcher(settings), *([shipper(settings)] if selection.duties(settings).serves else [])]


def worker(settings: Settings) -> Spec:
    """The worker of the work pool, which it creates."""
    alive = settings.state_dir / "worker.alive"
    names = {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        launch_client.VARIABLE: str(sockets.launcher(settings.state_dir)),
        # Prefect makes `runner_storage` in it, which on a machine of several users belongs to the first of them.
        "TMPDIR": str(sockets.scratch(settings.state_dir)),
    }
    spec = _launched(settings, "worker", ("platforms.local.worker", str(alive)), names)
    return dataclasses.replace(spec, check=_fresh(alive), prepare=functools.partial(alive.unlink, missing_ok=True))


def launcher(settings: Settings) -> Spec:
    """The process that starts flow runs, and what imports the same libraries, by forking itself."""
    socket = sockets.launcher(settings.state_dir)
    program = Path(__file__).with_name("launcher.py")
    imports = selection.duties(settings).imports
    modules = (*PRELOADED, *imports) if imports else ()
    command = (sys.executable, "-P", str(program), str(socket), *modules)
    spec = _python(settings, "launcher", command, WITHOUT_THREADS)
    return dataclasses.replace(spec, check=_pongs(socket), prepare=functools.partial(socket.unlink, missing_ok=True))


def listener(settings: Settings) -> Spec:
    """The process that turns arrived files into runs."""
    return _launched(settings, "listener", ("cli.main", "listen"), {})


def shipper(settings: Settings) -> Spec:
    """The process that moves the request logs of all replicas to storage."""
    names = {"SHIPPER_LOG_DIR": str(traffic_root(settings))}
    return _python(settings, "shipper", (sys.executable, "-m", "log_shipper"), names)


def _launched(settings: Settings, name: str, module: tuple[str, ...], names: dict[str, str]) -> Spec:
    spec = _python(settings, name, (sys.executable, "-m", *module), names)
    return dataclasses.replace(spec, launcher=sockets.launcher(settings.state_dir))


def _python(settings: Settings, name: str, command: tuple[str, ...], names: dict[str, str]) -> Spec:
    variables = {**os.environ, **environment(settings), **names}
    return Spec(name, command, variables, log(settings, name), directory=ROOT)


def _connects(socket: Path) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        _, writer = await asyncio.open_unix_connection(str(socket))
        writer.close()
        return True

    return check


def _pongs(socket: Path) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            writer.write(bytes(4))
            return await reader.read(4) == bytes(4)
        finally:
            writer.close()

    return check


def _responds(url: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=None) as client:
            try:
                return (await client.get(url)).is_success
            except httpx.TransportError as error:
                raise ConnectionError(str(error)) from error

    return check


def _fresh(file: Path) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        # A clock that is put back leaves a time to come, which would count as fresh until then.
        return abs(time.time() - file.stat().st_mtime) < FRESH

    return check
