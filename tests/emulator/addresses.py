"""Loopback addresses: every pod, container group and Service has one of its own, so ports are what they declare."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Iterator
from typing import Final

BACKLOG: Final = 1024


class Addresses:
    """Hands out addresses of 127.0.0.0/8, from a random place on so that two emulators rarely meet."""

    def __init__(self) -> None:
        self._next = self._count()

    def take(self) -> str:
        """An address that nobody got from here before."""
        return next(self._next)

    @staticmethod
    def _count() -> Iterator[str]:
        start = random.SystemRandom().randrange(1 << 22)
        for number in itertools.count(start):
            host = number % (1 << 22)
            # The first of 256 names a network.
            if last := host & 255:
                yield f"127.{64 + (host >> 16)}.{host >> 8 & 255}.{last}"


def listen(address: str, port: int) -> socket.socket:
    """A listening socket; raises `OSError` if the port is taken there."""
    # asyncio turns Nagle's algorithm off only for sockets that say their protocol.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
