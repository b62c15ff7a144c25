"""Whether the ports that the settings name are free."""

from __future__ import annotations

import contextlib
import socket

import psutil

from platforms import selection
from platforms.errors import PlatformError
from platforms.settings import Settings

ENDPOINTS = ("qa_port", "prod_port")


def needed(settings: Settings) -> tuple[str, ...]:
    """The settings whose ports the services and endpoints of this machine listen on."""
    return ("prefect_port", *(ENDPOINTS if selection.duties(settings).serves else ()))


def require_free(settings: Settings) -> None:
    """Raise `PlatformError` naming every port that is taken, and its setting."""
    ports = {name: getattr(settings, name) for name in needed(settings)}
    taken = {name: port for name, port in ports.items() if not free(settings.host, port)}
    if taken:
        lines = (f"port {port} is taken{_owner(port)}: set RIDGELINE_{name.upper()}" for name, port in taken.items())
        raise PlatformError("\n".join(lines))


def free(host: str, port: int) -> bool:
    """Whether nobody listens there; nothing is left open."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def listeners() -> dict[int, int | None]:
    """The TCP ports that somebody listens on, with the pid; None where another user's process is not shown."""
    with contextlib.suppress(psutil.Error):
        open_now = [found for found in psutil.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
        return {found.laddr.port: found.pid for found in open_now if found.laddr}
    return {}


def _owner(port: int) -> str:
    pid = listeners().get(port)
    return f" by pid {pid}" if pid else ""
