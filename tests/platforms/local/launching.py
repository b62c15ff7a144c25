"""A launcher that has preloaded next to nothing, and a program for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from platforms.local import launcher
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import os, sys, time
print(os.getcwd(), sys.argv[1:], os.environ.get("COLOUR"), __name__, flush=True)
print("to stderr", file=sys.stderr, flush=True)
match sys.argv[1]:
    case "code": sys.exit(int(sys.argv[2]))
    case "text": sys.exit("said why")
    case "raise": raise ValueError("as told")
    case "die": os.kill(os.getpid(), 9)
    case "sleep": time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[psutil.Process]:
    """A launcher that has preloaded next to nothing."""
    command = [sys.executable, "-P", launcher.__file__, str(folder / "l.sock"), "colorsys", "no_such_module"]
    # As from a shell that buffers, whatever the one of the tests does.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with (
        (folder / "launcher.log").open("w") as log,
        subprocess.Popen(command, stderr=log, cwd=ROOT, env=variables) as process,
    ):
        wait_for(lambda: pongs(folder / "l.sock"))
        yield psutil.Process(process.pid)
        process.terminate()


def pongs(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
            connection.sendall(bytes(4))
            return connection.recv(4) == bytes(4)
        except OSError:
            return False
