"""The storage account's blobs: forwarded to Azurite, so that faults can hit them and writes be noticed.

The address differs from Azurite's only in its port, which no signature covers. Queues are asked at Azurite itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tests.emulator.http import METHODS
from tests.emulator.storage_accounts import Accounts
from tests.emulator.world import World

NOT_FORWARDED: Final = {"host", "connection", "keep-alive", "transfer-encoding"}


class Forwarder:
    """Sends requests on as they came, and answers back."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._client = httpx.AsyncClient(verify=world.certificates.trust(), trust_env=False, timeout=60)

    def routes(self) -> list[BaseRoute]:
        return [Route(f"/{self._world.azurite.name}{{rest:path}}", self.handle, methods=[*METHODS])]

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Close the connections to Azurite at the end."""
        async with self._client:
            yield

    async def handle(self, request: Request) -> Response:
        url = httpx.URL(self._world.azurite.blob_endpoint).copy_with(raw_path=_raw_path(request))
        headers = [(name, value) for name, value in request.headers.raw if name.decode() not in NOT_FORWARDED]
        content = await request.body()
        sent = self._client.build_request(request.method, url, headers=headers, content=content or None)
        if request.method in ("PUT", "POST") and not content:
            sent.headers["content-length"] = "0"
        found = await self._client.send(sent, stream=True)
        try:
            body = b"".join([part async for part in found.aiter_raw()])
        finally:
            await found.aclose()
        if found.is_success:
            await run_in_threadpool(self._notice, request)
        answer = Response(body, found.status_code)
        kept = [(name, value) for name, value in found.headers.raw if name.lower().decode() not in NOT_FORWARDED]
        answer.raw_headers = kept if request.method == "HEAD" else [*_without_length(kept), _length(body)]
        return answer

    def _notice(self, request: Request) -> None:
        """Tell of a blob that is whole now: a put blob or a put block list; parts and properties are none."""
        if request.method != "PUT" or request.query_params.get("comp", "blocklist") != "blocklist":
            return
        _, _, container, path = [*unquote(request.url.path).split("/", 3), ""][:4]
        if path and "restype" not in request.query_params:
            for hear in self._world.on_blob_written:
                hear(container, path)


def _raw_path(request: Request) -> bytes:
    raw: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return raw + b"?" + query if query else raw


def _without_length(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() != b"content-length"]


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()


def seed(world: World) -> None:
    """The container that `provision` would make."""
    world.part(Accounts).create_container(world.container)
