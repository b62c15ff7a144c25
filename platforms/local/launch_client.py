"""Runs a module in a fork of the launcher as if it were this process; without a launcher, in this process itself.

Run by path with `python -S -E -s`: it must not import more than it needs, its start is part of every flow run's.
Arguments: the launcher's socket, the module, the module's own arguments.
"""

from __future__ import annotations

import _socket
import os
import signal
import sys
from types import FrameType


def command(launcher: str) -> tuple[str, ...]:
    """How a command line begins that goes on with a module and its arguments, to be run by the launcher."""
    return sys.executable, "-S", "-E", "-s", os.path.abspath(__file__), launcher


def main() -> None:
    """Hand over to the launcher and end as the fork ends."""
    path, *arguments = sys.argv[1:]
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(path)
        _request(connection, arguments)
        child = int.from_bytes(connection.recv(4), "little")
    except OSError:
        child = 0
    if not child:
        connection.close()
        os.execv(sys.executable, [sys.executable, "-m", *arguments])

    def forward(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)
    code = connection.recv(2)
    connection.close()
    _end_as(code)


def _request(connection: _socket.socket, arguments: list[str]) -> None:
    environment = [name + b"=" + value for name, value in os.environb.items()]
    fields = [os.getcwdb(), b"%d" % len(arguments), *map(os.fsencode, arguments), *environment]
    body = b"\0".join(fields)
    files = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
    connection.sendmsg([len(body).to_bytes(4, "little")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
    connection.sendall(body)


def _end_as(code: bytes) -> None:
    number = int.from_bytes(code, "little", signed=True)
    if number < 0:
        signal.signal(-number, signal.SIG_DFL) if -number != signal.SIGKILL else None
        os.kill(os.getpid(), -number)
    # No code: the fork was killed, and the launcher, which would have said how, is gone as well.
    sys.exit(number if code else 128 + signal.SIGKILL)


if __name__ == "__main__":
    main()
