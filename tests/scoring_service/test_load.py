from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scoring_service.connection import TOLD
from scoring_service.hub import RESERVED, _room
from scoring_service.listener import AT_ONCE
from scoring_service.load import Load
from scoring_service.problem import ProblemError
from scoring_service.settings import Settings
from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import Running, message, read_answer, running

SCORE = message({"data": [ROW]})
COST = 0.002
"""Seconds of a prediction that is made slow."""


def load() -> Load:
    return Load(Settings(keys_file="-", max_concurrency=2, max_wait_seconds=0.1, max_waiting=3))


def test_only_late_and_further_requests_of_a_turn_are_refused() -> None:
    begun: list[bool] = []
    busy = load()
    busy.on_begin = lambda: begun.append(True)
    for started in (10.0, 10.5, 10.09):
        busy.admit(started)
    with pytest.raises(ProblemError, match="too much to do") as refused:
        busy.admit(10.2)
    assert (refused.value.status, refused.value.kind) == (503, "overload")
    assert refused.value.headers == b"retry-after: 1\r\n"
    assert begun == [True]
    busy.end(10.3)
    for started in (10.3, 10.5, 10.3):
        busy.admit(started)
    assert begun == [True, True]


def test_a_turn_counts_as_just_over_for_as_long_as_it_took() -> None:
    turns = load()
    assert turns.busy(0.0) == turns.busy(10.0) == 0.0
    turns.admit(10.0)
    turns.admit(10.2)
    turns.end(10.5)
    assert [turns.busy(now) for now in (10.5, 10.9, 11.0)] == [0.5, 0.5, 0.0]
    turns.admit(10.9)
    turns.end(10.91)
    assert turns.busy(10.91) == pytest.approx(0.01)
    turns.end(99.0)
    assert turns.busy(99.0) == 0.0


def test_connections_leave_files_for_the_log_and_for_those_that_are_too_many() -> None:
    assert RESERVED >= TOLD + AT_ONCE + 32
    assert _room(RESERVED + 1) == 1
    with pytest.raises(OSError, match=f"only {RESERVED} files may be open.* allow more than {RESERVED}"):
        _room(RESERVED)


def test_too_many_waiting_answers_refuse_more() -> None:
    busy = load()
    busy.waiting = 2
    busy.admit(10.0)
    busy.waiting = 3
    with pytest.raises(ProblemError, match="3 answers wait"):
        busy.admit(10.0)


@dataclass
class Tally:
    good: int = 0
    refused: int = 0
    slowest: float = 0.0
    retry_after: set[str] = field(default_factory=set)


async def drive(service: Running, clients: int, seconds: float) -> Tally:
    """Ask again and again on so many connections."""
    tally = Tally()
    end = time.monotonic() + seconds
    await asyncio.gather(*(_client(service.port, end, tally) for _ in range(clients)))
    return tally


async def _client(port: int, end: float, tally: Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (asked := time.monotonic()) < end:
        writer.write(SCORE)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n") if ": " in line)
        await reader.readexactly(int(lines["content-length"]))
        if " 200 " in head.partition("\r\n")[0]:
            tally.good += 1
            tally.slowest = max(tally.slowest, time.monotonic() - asked)
        else:
            tally.refused += 1
            tally.retry_after.add(lines["retry-after"])
            await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()


def slow(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    predict = service.router.scorer._model.predict_one

    def predict_slowly(row: tuple[float, ...]) -> float:
        time.sleep(COST)
        return predict(row)

    monkeypatch.setattr(service.router.scorer._model, "predict_one", predict_slowly)


def test_three_times_too_much_is_shed_and_the_rest_goes_on(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(context, tmp_path, max_wait_seconds=0.3, max_concurrency=16) as service:
        slow(service, monkeypatch)
        usual, over = _usual_and_too_much(service)
        refused = usual.refused + over.refused
        if over.good / 1.4 <= 0.8 * usual.good / 0.7:
            # Once more, because the machine may have had other things to do.
            usual, over = _usual_and_too_much(service)
            refused += usual.refused + over.refused
        page = service.page()
    assert over.good / 1.4 > 0.8 * usual.good / 0.7
    assert over.refused > 0
    assert over.retry_after == {"1"}
    assert f'kind="overload"}} {refused}' in page


def _usual_and_too_much(service: Running) -> tuple[Tally, Tally]:
    return asyncio.run(drive(service, 32, 0.7)), asyncio.run(drive(service, 320, 1.4))


def test_sixty_four_connections_are_never_refused(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(context, tmp_path, max_wait_seconds=0.01) as service:
        slow(service, monkeypatch)
        tally = asyncio.run(drive(service, 64, 0.8))
    assert (tally.refused, tally.good > 64) == (0, True)


def test_connections_beyond_the_limit_are_refused_and_closed(context: Path, tmp_path: Path) -> None:
    with running(context, tmp_path, max_connections=3) as service:
        clients = [service.connect() for _ in range(3)]
        for client in clients:
            client.sendall(SCORE)
            assert read_answer(client).status == 200
        with service.connect() as further:
            refused = read_answer(further)
            assert (refused.status, refused.headers["retry-after"], refused.headers["connection"]) == (
                503,
                "1",
                "close",
            )
            assert "3 connections" in json.loads(refused.body)["detail"]
        for client in clients:
            client.close()


def test_a_flood_of_connections_is_cut_off(context: Path, tmp_path: Path) -> None:
    with running(context, tmp_path, max_connections=3) as service:
        clients = [service.connect() for _ in range(3)]
        for client in clients:
            client.sendall(SCORE)
            read_answer(client)
        flood = [service.connect() for _ in range(TOLD + 20)]
        answers = [_what_it_gets(client) for client in flood]
        assert len(service.hub.connections) <= 3 + TOLD
        clients[0].sendall(SCORE)
        assert read_answer(clients[0]).status == 200
        for client in clients + flood:
            client.close()
    assert answers.count(b"HTTP/1.1 503") == TOLD
    assert answers.count(b"") == 20


def _what_it_gets(client: socket.socket) -> bytes:
    try:
        return client.recv(12)
    except ConnectionError:
        return b""
