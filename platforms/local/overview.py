"""What `ridgeline status` tells: the services and endpoints of a state folder, as files and processes show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from platforms import selection
from platforms.local import control, processes
from platforms.local.endpoint_files import EndpointFiles
from platforms.local.record import Entry
from platforms.settings import ROOT, Settings
from platforms.values import EndpointStatus, Environment
from recipes import catalog

ENVIRONMENTS: tuple[Environment, ...] = ("qa", "prod")


class Overview(TypedDict):
    """The document of `ridgeline status --json`."""

    platform: str
    services: list[dict[str, object]]
    endpoints: list[dict[str, object]]
    prefect_url: str | None


def describe(settings: Settings) -> Overview:
    """Everything that runs; no service and no URL when nothing does."""
    record = control.running(settings.state_dir)
    return {
        "platform": settings.platform,
        "services": [_service(entry) for entry in record.services] if record else [],
        "endpoints": [_endpoint(settings, status) for status in _endpoints(settings)] if record else [],
        "prefect_url": record.prefect_url if record else None,
    }


def table(overview: Overview) -> str:
    """The same for people."""
    if not overview["services"]:
        return "nothing runs: start it by `ridgeline up`"
    services = [
        (str(s["name"]), _health(s["healthy"]), str(s["pid"] or "-"), str(s["url"] or ""))
        for s in overview["services"]
    ]
    endpoints = [
        (f"{e['recipe']} {e['environment']}", _health(e["ready"]), str(e["image"]), str(e["url"]))
        for e in overview["endpoints"]
    ]
    return "\n".join([*_columns(services), *_columns(endpoints), f"Prefect: {overview['prefect_url']}"])


def _service(entry: Entry) -> dict[str, object]:
    """One service; a process that died since the supervisor looked does not count as healthy."""
    status = entry.status
    alive = status.pid is not None and processes.find(status.pid, entry.created) is not None
    return {**asdict(status), "healthy": status.healthy and alive}


def _endpoints(settings: Settings) -> list[EndpointStatus]:
    """Those of every recipe, and on this machine also those whose recipe is gone."""
    endpoints = selection.endpoints(settings)
    left = {file.parent.name for file in EndpointFiles(settings).desired_files()}
    recipes = sorted(left.union(catalog.names()))
    found = (endpoints.status(recipe, environment) for recipe in recipes for environment in ENVIRONMENTS)
    return [status for status in found if status]


def _endpoint(settings: Settings, status: EndpointStatus) -> dict[str, object]:
    key_file = settings.state_dir / "secrets" / status.key_secret
    return {
        "recipe": status.recipe,
        "environment": status.environment,
        "url": status.url,
        "model_version": status.model_version,
        "image": status.image.name,
        "ready": status.ready,
        "key_secret": status.key_secret,
        "key_file": str(_relative(key_file)) if key_file.exists() else None,
    }


def _relative(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _health(value: object) -> str:
    return "up" if value else "down"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
