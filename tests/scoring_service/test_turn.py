"""What arrives in one turn of the event loop is logged by one write, before the first answer of the turn."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import pytest

from scoring_service.heads import Repeated
from scoring_service.load import Load
from scoring_service.messages import Response
from scoring_service.settings import Settings
from scoring_service.turn import Turn
from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import Running, get, message, records

SCORE = message({"data": [ROW]})


class Wire(asyncio.Transport):
    """Remembers in `told` what is written, and when."""

    def __init__(self, told: list[bytes], closing: bool = False) -> None:
        super().__init__()
        self._told = told
        self._closing = closing

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._told.append(bytes(data).rpartition(b"\r\n")[2])


class Flushed:
    """Remembers in `told` that records were written."""

    def __init__(self, told: list[bytes]) -> None:
        self.load = Load(Settings(keys_file="-"))
        self._told = told

    def answer_all(self, asked: Sequence[Repeated], started: float, date: bytes) -> Sequence[bytes] | None:
        raise AssertionError("nothing is asked for")

    def answer_each(self, asked: Sequence[Repeated], started: float) -> Sequence[Response]:
        raise AssertionError("nothing is asked for")

    def flush(self) -> None:
        self._told.append(b"flush")


def test_records_come_before_answers_and_the_turn_ends_by_itself() -> None:
    told: list[bytes] = []

    async def one_turn() -> None:
        turn = Turn(Flushed(told), together=64)
        turn.add(Wire(told), Response(200, b"first"), False)
        turn.add(Wire(told, closing=True), Response(200, b"nobody"), False)
        turn.add(Wire(told), Response(200, b"bare"), True)
        assert told == []
        await asyncio.sleep(0)
        assert told == [b"flush", b"first", b""]

    asyncio.run(one_turn())


def test_what_arrives_together_is_one_write(service: Running, written: list[int]) -> None:
    assert [answer.status for answer in service.ask(SCORE * 20)] == [200] * 20
    assert sum(written) == len(records(service.logs)) == 20
    assert len(written) < 20


def test_only_answers_without_a_record_become_refusals(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    raw = SCORE + get("/health/live") + message({"data": []}) + SCORE
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        answers = service.ask(raw)
    assert [answer.status for answer in answers] == [503, 200, 422, 503]
    assert answers[3].headers["retry-after"] == "5"
    assert answers[3].json["error"] == answers[3].json["detail"]
    assert 'scoring_errors_total{model="diabetes",version="3",kind="log"} 2' in service.page()
    assert [answer.status for answer in service.ask(raw)] == [200, 200, 422, 200]
    assert len(records(service.logs)) == 2


def test_a_half_written_turn_is_taken_back(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
        assert {answer.status for answer in service.ask(SCORE * 4)} == {503}
    assert records(service.logs) == []
    assert [answer.status for answer in service.ask(SCORE)] == [200]
    assert len(records(service.logs)) == 1


def test_a_fault_of_ours_while_logging_refuses_too(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_records: object) -> None:
        raise TypeError("boom")

    with monkeypatch.context() as patched:
        patched.setattr(service.recorder.log, "extend", fail)
        answers = service.ask(SCORE * 2 + get("/health/live"))
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].json["detail"] == "the request cannot be logged: TypeError: boom"
    assert [answer.status for answer in service.ask(SCORE)] == [200]
