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

VARIABLE = "RIDGELINE_LAUNCHER"
"""The variable by which the worker tells flow runs the launcher's socket."""


def command(launcher: str) -> tuple[str, ...]:
    """How a command line begins that goes on with a module and its arguments, to be run by the launcher."""
    return sys.executable, "-S", "-E", "-s", os.path.abspath(__file__), launcher


def main() -> None:
    """Hand over to the launcher and end as the fork ends."""
    path, *arguments = sys.argv[1:]
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    child = fork(connection, path, arguments, os.environb.copy(), os.getcwdb(), (0, 1, 2))
    if not child:
        connection.close()
        os.execv(sys.executable, [sys.executable, "-m", *arguments])

    def forward(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)
    code = connection.recv(2)
    connection.close()
    _end_as(exit_code(code))


def fork(
    connection: _socket.socket,
    path: str,
    arguments: list[str],
    environment: dict[bytes, bytes],
    directory: bytes,
    files: tuple[int, int, int],
) -> int:
    """Ask the launcher at `path`, over a new connection, for a fork with these standard files; 0 if there is none.

    Returns its pid. The fork lives as long as the connection, over which its exit code comes at the end.
    """
    variables = [name + b"=" + value for name, value in environment.items()]
    body = b"\0".join([directory, b"%d" % len(arguments), *map(os.fsencode, arguments), *variables])
    numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in files)
    try:
        connection.connect(path)
        connection.sendmsg([len(body).to_bytes(4, "little")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])
        connection.sendall(body)
        return int.from_bytes(connection.recv(4), "little")
    except OSError:
        return 0


def exit_code(received: bytes) -> int:
    """What was received at the end as an exit code, a signal's number negative.

    Nothing is received of a fork that was killed when the launcher, which would have said how, was gone as well.
    """
    return int.from_bytes(received, "little", signed=True) if received else -signal.SIGKILL


def _end_as(code: int) -> None:
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if code != -signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
