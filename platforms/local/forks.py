"""Services that are forks of the launcher: what the supervisor needs to know of a process that is not its child."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from platforms.local import launch_client

PATIENCE = 10.0
"""Seconds that the launcher may take to fork, which it does between two imports."""
MOURNING = 1.0
"""Seconds that the launcher may take to tell how a fork has ended."""


class Fork:
    """A fork of the launcher, with what of `asyncio.subprocess.Process` a service is kept by.

    It is killed when this process ends, and outlives the launcher.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        self._ended = asyncio.create_task(self._read())

    async def wait(self) -> int:
        """Wait until it has ended; returns its exit code, a signal's number negative."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Send it a signal; raises `ProcessLookupError` if it has ended."""
        os.kill(self.pid, number)

    async def _read(self) -> int:
        loop, received = asyncio.get_running_loop(), b""
        told = asyncio.ensure_future(loop.sock_recv(self._connection, 2))
        # A launcher that hangs tells nothing and keeps the connection open.
        died = asyncio.ensure_future(_death(self.pid))
        await asyncio.wait({told, died}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({told}, timeout=MOURNING)
        with contextlib.suppress(OSError):
            received = told.result() if told.done() else b""
        for task in (told, died):
            task.cancel()
        self._connection.close()
        self.returncode = launch_client.exit_code(received)
        return self.returncode


async def _death(pid: int) -> None:
    """Wait until a process has ended, whether it is buried or not."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(watched, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)


async def start(
    launcher: Path, arguments: tuple[str, ...], environment: Mapping[str, str], directory: Path, output: int
) -> Fork | None:
    """Run a module by the launcher at this socket, its output into a file; None where no launcher answers."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    with open(os.devnull, "rb") as nothing:
        files = (nothing.fileno(), output, output)
        variables = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
        asked = (connection, str(launcher), [*arguments], variables, os.fsencode(directory), files)
        pid = await asyncio.to_thread(launch_client.fork, *asked)
    if not pid:
        connection.close()
        return None
    connection.setblocking(False)
    return Fork(pid, connection)
