"""Which port an endpoint has: the setting's for the first recipe, the next free number for each further one."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from filelock import FileLock

from platforms.local.endpoint_files import read, write
from platforms.settings import Settings
from platforms.values import Environment


@dataclass(frozen=True)
class Allocation:
    """A port, and the setting from which it was counted: another setting makes another allocation."""

    port: int
    base: int


class EndpointPorts:
    """The allocations of one state folder, kept in `ports.json`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.state_dir / "endpoints" / "ports.json"

    def allocate(self, recipe: str, environment: Environment) -> int:
        """The endpoint's port, the same at every call."""
        name, base = f"{environment}/{recipe}", base_port(self._settings, environment)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._file.with_suffix(".lock")):
            known = read(self._file, dict[str, Allocation]) or {}
            if name in known and known[name].base == base:
                return known[name].port
            others = {other: kept for other, kept in known.items() if other != name}
            port = self._next(base, {kept.port for kept in others.values()})
            write(self._file, {**others, name: Allocation(port, base)})
            return port

    def _next(self, base: int, taken: set[int]) -> int:
        settings = self._settings
        reserved = taken | {settings.qa_port, settings.prod_port, settings.prefect_port, settings.mlflow_port}
        if base not in taken:
            return base
        return next(port for port in range(base + 1, 65536) if port not in reserved and _free(settings.host, port))


def base_port(settings: Settings, environment: Environment) -> int:
    """The setting of an environment's port."""
    return settings.qa_port if environment == "qa" else settings.prod_port


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises `OSError`."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _free(host: str, port: int) -> bool:
    try:
        listen(host, port).close()
    except OSError:
        return False
    return True
