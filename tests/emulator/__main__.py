"""`python -m tests.emulator [--folder DIR] [--empty] [--stay] -- COMMAND…`: run a command against an offline Azure.

The exit code is the command's. With `--stay`, or without a command, the variables that lead to it are printed, and
the emulator runs until Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.emulator import azurite
from tests.emulator.emulator import Emulator


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulator")
    parser.add_argument("--folder", type=Path, help="where its files are kept; a temporary folder by default")
    parser.add_argument("--empty", action="store_true", help="a subscription in which nothing is provisioned")
    parser.add_argument("--stay", action="store_true", help="run on when the command has ended well")
    parser.add_argument("command", nargs="*", help="behind --")
    given = parser.parse_args()
    if reason := azurite.missing():
        sys.exit(reason)
    with tempfile.TemporaryDirectory(prefix="ridgeline-azure-", ignore_cleanup_errors=True) as folder:
        emulator = Emulator(given.folder or Path(folder), provisioned=not given.empty)
        try:
            code = _run(emulator.start(), given.command) if given.command else 0
            if code == 0 and (given.stay or not given.command):
                _stay(emulator)
            return code
        finally:
            emulator.close()


def _run(emulator: Emulator, command: list[str]) -> int:
    # Ctrl-C reaches the command too, which ends in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen(
        command, env={**os.environ, **emulator.environment()}, preexec_fn=_hear_interrupts
    ) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


def _stay(emulator: Emulator) -> None:
    print("\n".join(f"export {name}='{value}'" for name, value in emulator.environment().items()), flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
