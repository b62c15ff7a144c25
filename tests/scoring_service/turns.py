"""Clients whose packets arrive together: a turn of the event loop is made by hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scoring_service.connection import Connection
from tests.scoring_service.serving import Answer, Running, parse

ID: Final = re.compile(rb"HTTP/1.1 200 OK\r\n[^{]*x-request-id: (\S+)")


class Wire(asyncio.Transport):
    """Keeps what is written, and in `early` ids of answers that were written before their records."""

    def __init__(self, logs: Path) -> None:
        super().__init__()
        self.received = b""
        self.early: list[bytes] = []
        self._logs = logs

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Packets come by hand."""

    def resume_reading(self) -> None:
        """As above."""

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        """There is nobody who could be told."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.received += data
        logged = b"".join(file.read_bytes() for file in self._logs.glob("requests-*"))
        self.early += [one for one in ID.findall(data) if b'"request_id":"%s"' % one not in logged]


def in_turns(service: Running, *turns: Sequence[Sequence[bytes]], sampled: bool = False) -> list[list[Answer]]:
    """What clients are answered whose packets arrive turn by turn, each client on a connection of its own.

    Each answer has its record when it is written, unless only some are `sampled`.
    """
    return [parse(raw) for raw in raw_in_turns(service, turns, sampled)]


def raw_in_turns(service: Running, turns: Sequence[Sequence[Sequence[bytes]]], sampled: bool = False) -> list[bytes]:
    """The same as bytes."""

    async def arrive() -> list[bytes]:
        clients = []
        for turn in turns:
            wires = [Wire(service.logs) for _ in turn]
            for wire, packets in zip(wires, turn, strict=True):
                connection = Connection(service.hub)
                connection.connection_made(wire)
                for packet in packets:
                    connection.data_received(packet)
                clients.append((connection, wire))
            await asyncio.sleep(0)
        for connection, _ in clients:
            connection.connection_lost(None)
        assert sampled or [wire.early for _, wire in clients] == [[]] * len(clients)
        return [wire.received for _, wire in clients]

    return asyncio.run_coroutine_threadsafe(arrive(), service.loop).result(5)


def told(answers: list[list[Answer]]) -> list[tuple[int, bytes]]:
    """Status and body of the only answer that each client got."""
    return [(answer.status, answer.body) for (answer,) in answers]
