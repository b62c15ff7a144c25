"""Containers as processes: an image's context runs with this python, on a loopback address of its own.

There are no namespaces here. A mount is a folder of the host, and environment values below its path are rewritten to
it; a declared port becomes a listening socket that the process inherits (`SCORING_LISTEN_FD`). With it comes the end
of a pipe of this process's (`SCORING_ALIVE_FD`): if the emulator is killed, the service ends by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from tests.emulator.addresses import listen

SERVE: Final = ("python", "-m", "scoring_service")
"""The command of every scoring image."""
LISTEN_FD: Final = "SCORING_LISTEN_FD"
ALIVE_FD: Final = "SCORING_ALIVE_FD"
KEPT: Final = ("PATH", "LANG", "LC_ALL")
"""Variables of this process that a container sees too."""


@dataclass(frozen=True)
class ContainerSpec:
    """What runs. `mounts` are folders of the host by their path in the container, `machine` variables of the host."""

    name: str
    context: Path
    address: str
    port: int | None = None
    command: Sequence[str] = SERVE
    environment: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)


class Container:
    """One process at a time, and its log over all restarts."""

    def __init__(self, spec: ContainerSpec, log: Path) -> None:
        self.spec = spec
        self.restarts = -1
        self.started = now()
        self.finished = ""
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The running process."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended, as a shell tells it: 128 + signal; None while it runs."""
        code = self._process.poll() if self._process else None
        if code is not None and not self.finished:
            self.finished = now()
        return code if code is None or code >= 0 else 128 - code

    def start(self) -> None:
        """Start the process (again); raises `OSError` if its port is taken."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        listener = listen(self.spec.address, self.spec.port) if self.spec.port else None
        inherited = {LISTEN_FD: listener.fileno(), ALIVE_FD: alive()} if listener else {}
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command(),
                    cwd=self.spec.context,
                    env=self._environment(inherited),
                    pass_fds=tuple(inherited.values()),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        finally:
            if listener:
                listener.close()
        self.restarts, self.started, self.finished = self.restarts + 1, now(), ""

    def terminate(self) -> None:
        """Ask the process to end."""
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """End the process at once, with whatever it started, and wait for it."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def logs(self, lines: int | None = None) -> str:
        """What it wrote, or the last lines of it."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return text if lines is None else "".join(text.splitlines(keepends=True)[-lines:])

    def _command(self) -> list[str]:
        first, *rest = self.spec.command
        return [sys.executable if Path(first).name.startswith("python") else first, *rest]

    def _environment(self, inherited: Mapping[str, int]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        given = {name: self._on_host(value) for name, value in self.spec.environment.items()}
        return {**kept, **self.spec.machine, **given} | {
            name: str(descriptor) for name, descriptor in inherited.items()
        }

    def _on_host(self, value: str) -> str:
        for path, folder in self.spec.mounts.items():
            if value == path or value.startswith(f"{path}/"):
                return f"{folder}{value[len(path) :]}"
        return value


@cache
def alive() -> int:
    """A descriptor that reads end-of-file as soon as this process is gone, however it ends."""
    reader, _ = os.pipe()
    return reader


def now() -> str:
    """The time as Kubernetes and Azure write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
