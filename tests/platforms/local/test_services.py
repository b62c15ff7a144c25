from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Literal

import pytest
from pydantic import SecretStr

from platforms.local import postgres, services, sockets
from platforms.settings import Settings


@pytest.fixture
def folders_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a state has outside of itself be in the test's folder, as nobody listens there."""
    monkeypatch.setattr(sockets, "SHORT", tmp_path)


async def result(check: Callable[[], Awaitable[bool]]) -> bool:
    return await check()


def test_a_service_sees_these_settings_and_no_others(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.setenv("no_proxy", ".lower.example,example.org")
    names = services.environment(settings)
    assert names["RIDGELINE_STATE"] == str(settings.state_dir)
    assert names["RIDGELINE_PREFECT_PORT"] == str(settings.prefect_port)
    assert names["PREFECT_API_URL"] == f"{settings.prefect_url}/api"
    assert names["PREFECT_HOME"] == str(settings.state_dir / "prefect")
    assert "RIDGELINE_DATABASE_URL" not in names
    assert names["NO_PROXY"] == names["no_proxy"] == "example.org,.lower.example,127.0.0.1,localhost"
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    assert services.environment(settings) == names, "a service gives on what it was given"
    assert Settings().state_dir == settings.state_dir
    assert Settings().prefect_port == settings.prefect_port


def test_clients_ask_for_tokens_only_if_the_server_wants_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_SERVER_CSRF_PROTECTION_ENABLED", raising=False)
    assert services.environment(settings)["PREFECT_CLIENT_CSRF_SUPPORT_ENABLED"] == "false"
    monkeypatch.setenv("PREFECT_SERVER_CSRF_PROTECTION_ENABLED", "true")
    assert services.environment(settings)["PREFECT_CLIENT_CSRF_SUPPORT_ENABLED"] == "true"


@pytest.mark.usefixtures("folders_inside")
def test_a_server_with_auth_asks_for_what_its_clients_send(settings: Settings) -> None:
    closed = settings.model_copy(update={"prefect_auth": SecretStr("ada:lovelace")})
    names = services.server(closed, "url").environment
    assert names["PREFECT_SERVER_API_AUTH_STRING"] == names["PREFECT_API_AUTH_STRING"] == "ada:lovelace"
    assert "PREFECT_SERVER_API_AUTH_STRING" not in services.server(settings, "url").environment


def test_an_external_database_needs_no_service(settings: Settings) -> None:
    url = "postgresql+asyncpg://me@there/prefect"
    external = settings.model_copy(update={"database_url": url})
    assert services.database(external) == (url, None)
    assert not settings.state_dir.exists()


def test_the_embedded_database_ends_fast(settings: Settings) -> None:
    url, spec = services.database(settings)
    assert spec
    assert url.startswith("postgresql+asyncpg://")
    assert spec.stop_signal.name == "SIGINT"
    postgres.wipe(settings.state_dir)


def test_the_roles(settings: Settings) -> None:
    others, clients = services.others(settings), services.clients(settings)
    assert [spec.name for spec in others] == ["launcher", "shipper"]
    assert [spec.name for spec in clients] == ["worker", "listener"]
    socket = Path(others[0].command[3])
    assert all(spec.launcher == socket for spec in [services.server(settings, "url"), *clients])
    assert all(spec.launcher is None for spec in others)
    postgres.wipe(settings.state_dir)


@pytest.mark.usefixtures("folders_inside")
def test_the_server_is_asked_over_http(settings: Settings) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    check = services.server(settings, "url").check
    with pytest.raises(OSError, match="onnect"):
        asyncio.run(result(check))
    with HTTPServer(("127.0.0.1", settings.prefect_port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            assert asyncio.run(result(check))
        finally:
            server.shutdown()
            thread.join()


def test_the_worker_must_give_signs_of_life(settings: Settings) -> None:
    spec = services.worker(settings)
    alive = Path(spec.command[-1])
    with pytest.raises(FileNotFoundError):
        asyncio.run(result(spec.check))
    alive.touch()
    assert asyncio.run(result(spec.check))
    for hung in (time.time() - services.FRESH - 1, time.time() + 3600):
        os.utime(alive, (0, hung))
        assert not asyncio.run(result(spec.check))
    spec.prepare()
    spec.prepare()
    assert not alive.exists()
    postgres.wipe(settings.state_dir)


@pytest.mark.parametrize(("answer", "healthy"), [(bytes(4), True), (b"\0\0\0\1", False), (b"", False)])
def test_the_launcher_must_answer(settings: Settings, answer: bytes, healthy: bool) -> None:
    spec = services.launcher(settings)
    path = spec.command[-1]

    async def story() -> bool:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(4)
            writer.write(answer)
            writer.close()

        async with await asyncio.start_unix_server(serve, path):
            return await spec.check()

    assert asyncio.run(story()) is healthy
    postgres.wipe(settings.state_dir)


def test_the_database_must_accept(settings: Settings) -> None:
    _, spec = services.database(settings)
    assert spec
    folder = postgres.locate(settings.state_dir).sockets
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(result(spec.check))
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / ".s.PGSQL.5432"))
        listener.listen()
        assert asyncio.run(result(spec.check))
    postgres.wipe(settings.state_dir)


def test_what_the_supervisor_runs_depends_on_where_the_endpoints_are(settings: Settings) -> None:
    def names(platform: Literal["local", "azure"]) -> dict[str, tuple[str, ...]]:
        made = services.others(settings.model_copy(update={"platform": platform}))
        return {spec.name: spec.command for spec in made}

    assert names("local").keys() - names("azure").keys() == {"shipper"}
    assert "azure.ai.ml" in names("azure")["launcher"]
    assert "prefect.engine" in names("azure")["launcher"]
    postgres.wipe(settings.state_dir)
