"""What a supervised service tells about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceStatus:
    """One service. The name starts with its role; `pid` is the serving process or its direct parent."""

    name: str
    pid: int | None
    healthy: bool
    url: str | None
