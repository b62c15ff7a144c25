from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from scoring_service import listener
from scoring_service.hub import Hub
from scoring_service.listener import Listener
from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import Running, message, read_answer

SCORE = message({"data": [ROW]})
CLOSE = message({"data": [ROW]}, "Connection: close")


@pytest.fixture
def waiting() -> Iterator[tuple[socket.socket, list[socket.socket]]]:
    """A listening socket with twenty connections that nobody has taken yet."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        clients = [socket.create_connection(listening.getsockname(), timeout=5) for _ in range(20)]
        yield listening, clients
        for client in clients:
            client.close()


def test_new_connections_do_not_wait_a_turn_for_each_other(
    service: Running, waiting: tuple[socket.socket, list[socket.socket]]
) -> None:
    listening, _ = waiting

    async def take() -> int:
        another = Listener(listening, service.hub)
        for _ in range(5):
            await asyncio.sleep(0)
        taken = len(service.hub.connections)
        await another.close()
        return taken

    assert asyncio.run_coroutine_threadsafe(take(), service.loop).result(5) == 20


@pytest.mark.parametrize(("turn_seconds", "taken"), [(0.0, 5), (0.0005, 5), (0.001, 10), (10.0, 20)])
def test_more_are_taken_at_once_the_longer_they_were_left_to_others(
    service: Running,
    waiting: tuple[socket.socket, list[socket.socket]],
    monkeypatch: pytest.MonkeyPatch,
    turn_seconds: float,
    taken: int,
) -> None:
    listening, _ = waiting
    monkeypatch.setattr(listener, "AT_ONCE", 5)
    monkeypatch.setattr(service.hub.load, "busy", lambda _now: turn_seconds)

    async def take() -> int:
        another = Listener(listening, service.hub)
        another._accept_some()
        taken = len(another._taken)
        await another.close()
        return taken

    assert asyncio.run_coroutine_threadsafe(take(), service.loop).result(5) == taken


def test_no_more_are_taken_at_once_than_there_may_be(
    service: Running, waiting: tuple[socket.socket, list[socket.socket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    listening, _ = waiting
    monkeypatch.setattr(listener, "AT_ONCE", 5)
    monkeypatch.setattr(service.hub.load, "busy", lambda _now: 10.0)
    monkeypatch.setattr(service.hub, "max_connections", 7)

    async def take() -> list[int]:
        another = Listener(listening, service.hub)
        counts = []
        for _ in range(2):
            another._accept_some()
            counts.append(len(another._taken))
        await another.close()
        return counts

    assert asyncio.run_coroutine_threadsafe(take(), service.loop).result(5) == [7, 7 + 5]


def test_what_was_taken_before_the_end_is_answered(
    service: Running, waiting: tuple[socket.socket, list[socket.socket]]
) -> None:
    listening, clients = waiting

    async def take_and_close() -> None:
        another = Listener(listening, service.hub)
        another._accept_some()
        await another.close()

    asyncio.run_coroutine_threadsafe(take_and_close(), service.loop).result(5)
    for client in clients:
        client.sendall(SCORE)
        assert read_answer(client).status == 200


@pytest.mark.parametrize(("inherited", "taken"), [(None, 20), (3, 0)])
def test_what_waits_at_the_end_is_taken_unless_others_can(
    service: Running, waiting: tuple[socket.socket, list[socket.socket]], inherited: int | None, taken: int
) -> None:
    listening, clients = waiting
    hub = Hub(service.router, msgspec.structs.replace(service.hub.settings, listen_fd=inherited))

    async def close_at_once() -> int:
        await Listener(listening, hub).close()
        return len(hub.connections)

    assert asyncio.run_coroutine_threadsafe(close_at_once(), service.loop).result(5) == taken
    for client in clients[:taken]:
        client.sendall(CLOSE)
        assert read_answer(client).status == 200


def test_what_is_taken_while_draining_has_its_whole_idle_time(
    service: Running, waiting: tuple[socket.socket, list[socket.socket]]
) -> None:
    listening, (client, *_) = waiting

    async def drain() -> None:
        another = Listener(listening, service.hub)
        now = service.hub.now + 100
        service.hub.start_drain(now)
        await another.close()
        service.hub.tick(now + 0.5)

    asyncio.run_coroutine_threadsafe(drain(), service.loop).result(5)
    client.sendall(SCORE)
    assert read_answer(client).headers["connection"] == "close"


def test_a_lack_of_files_is_told_and_passes(
    service: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accept = socket.socket.accept
    failures = [OSError(24, "Too many open files"), ConnectionAbortedError(103, "gone")]

    def fail_at_first(listening: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop(0)
        return accept(listening)

    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(socket.socket, "accept", fail_at_first)
    with closing(service.connect()) as client:
        client.sendall(SCORE)
        assert read_answer(client).status == 200
    assert failures == []
    (told,) = capsys.readouterr().err.splitlines()
    assert json.loads(told)["message"] == "no connection can be taken: Too many open files"
