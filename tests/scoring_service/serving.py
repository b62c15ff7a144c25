"""A service that runs in this process, on a port of its own, and clients that speak bytes to it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from scoring_service.context import Context
from scoring_service.hub import Hub
from scoring_service.keys import Keys
from scoring_service.listener import Listener
from scoring_service.recording import Recorder
from scoring_service.routes import Router
from scoring_service.scoring import Scorer
from scoring_service.server import open_log
from scoring_service.settings import Settings
from scoring_service.tracing import Spans

KEY = "secret-key-1"


@dataclass(frozen=True)
class Answer:
    """One parsed answer; `headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        decoded: dict[str, object] = json.loads(self.body)
        return decoded

    @property
    def numbers(self) -> list[float]:
        """The predictions, whatever the protocol."""
        assert self.status == 200, self.body
        content = json.loads(self.body)
        found: list[float] = content.get("result") or content.get("predictions") or content["outputs"][0]["data"]
        assert isinstance(found, list)
        return found


@dataclass(frozen=True)
class Running:
    """A running service."""

    port: int
    hub: Hub
    router: Router
    recorder: Recorder
    logs: Path
    loop: asyncio.AbstractEventLoop

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def ask(self, raw: bytes) -> list[Answer]:
        """Send bytes, end our side, and return every answer until the service ends its own."""
        with self.connect() as client:
            client.sendall(raw)
            client.shutdown(socket.SHUT_WR)
            return parse(read_all(client))

    def page(self) -> str:
        """What `/metrics` says."""
        return self.ask(get("/metrics"))[0].body.decode()

    def tick(self, now: float) -> None:
        """Move the service's clock, in its own thread."""
        asyncio.run_coroutine_threadsafe(self._tick(now), self.loop).result(5)

    async def _tick(self, now: float) -> None:
        self.hub.tick(now)


def records(folder: Path) -> list[dict[str, Any]]:
    """Every acknowledged record in a log folder, in the order of the segments' names."""
    files = sorted(folder.glob("requests-*"))
    lines = [line for file in files for line in file.read_bytes().splitlines(keepends=True)]
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def read_all(client: socket.socket) -> bytes:
    """Everything until the end of the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def read_answer(client: socket.socket) -> Answer:
    """The next answer of a connection that stays open; answers must be asked for one by one."""
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end and len(body) >= _length(head):
            return parse(received)[0]
        part = client.recv(65536)
        if not part:
            raise AssertionError(f"the connection ended after {received!r}")
        received += part


def parse(received: bytes, *, bare: bool = False) -> list[Answer]:
    """The answers in these bytes; `bare` if they answer HEAD."""
    answers, start = [], 0
    while start < len(received):
        end = received.index(b"\r\n\r\n", start)
        head = received[start:end]
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        start = end + 4 + (0 if bare else _length(head))
        answers.append(Answer(int(first.split()[1]), headers, received[end + 4 : start]))
    return answers


def _length(head: bytes) -> int:
    lines = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(lines[0].split(b":")[1]) if lines else 0


def message(body: bytes | str | object, *headers: str, path: str = "/score", key: str | None = KEY) -> bytes:
    """A POST request; anything but text is sent as JSON."""
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(content)}", *headers]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    """A request without body or key."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers]).encode() + b"\r\n\r\n"


@contextmanager
def running(folder: Path, logs: Path, spans: Spans | None = None, **changed: object) -> Iterator[Running]:
    """Run the context in `folder`, with settings changed by name."""
    given = {"keys_file": "-", "model_version": 3, "image_digest": "d1", "log_dir": str(logs), **changed}
    settings = msgspec.convert(given, Settings)
    context = Context.load(folder)
    recorder = Recorder(context, settings, open_log(settings))
    keys = Keys({"default": KEY.encode()})
    router = Router(context, settings, keys, Scorer(context, settings, recorder), spans)
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    hub = Hub(router, settings)
    listener = asyncio.run_coroutine_threadsafe(_listen(hub), loop).result(5)
    try:
        yield Running(listener.address[1], hub, router, recorder, logs, loop)
    finally:
        asyncio.run_coroutine_threadsafe(_stop(listener, hub), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
        recorder.close()


async def _listen(hub: Hub) -> Listener:
    return Listener(socket.create_server(("127.0.0.1", 0)), hub)


async def _stop(listener: Listener, hub: Hub) -> None:
    await listener.close()
    hub.tick(1e9)
    hub.tick(2e9)
    for _ in range(100):
        if not hub.connections:
            return
        await asyncio.sleep(0.01)
