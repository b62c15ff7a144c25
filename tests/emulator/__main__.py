"""`python -m tests.emulator [--folder DIR] -- COMMAND…`: run a command against an offline Azure of its own.

Without a command the variables are printed, and the emulator runs until Ctrl-C. The exit code is the command's.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.emulator import azurite
from tests.emulator.emulator import Emulator


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulator")
    parser.add_argument("--folder", type=Path, help="where its files are kept; a temporary folder by default")
    parser.add_argument("command", nargs="*", help="behind --")
    given = parser.parse_args()
    if reason := azurite.missing():
        sys.exit(reason)
    with tempfile.TemporaryDirectory(prefix="ridgeline-azure-", ignore_cleanup_errors=True) as folder:
        emulator = Emulator(given.folder or Path(folder))
        try:
            return _run(emulator.start(), given.command)
        finally:
            emulator.close()


def _run(emulator: Emulator, command: list[str]) -> int:
    environment = emulator.environment()
    if not command:
        print("\n".join(f"export {name}='{value}'" for name, value in environment.items()), flush=True)
        signal.sigwait([signal.SIGINT, signal.SIGTERM])
        return 0
    # Ctrl-C reaches the command too, which ends in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen(command, env={**os.environ, **environment}, preexec_fn=_hear_interrupts) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
