"""What a look at this machine tells about an installation: services, endpoints, ports and disks. Changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from platforms import selection
from platforms.local import control, overview, ports, processes, record, services, sockets
from platforms.settings import Settings

Status = Literal["ok", "warning", "problem"]

GIB: Final = 2**30
LITTLE: Final = 5 * GIB
TOO_LITTLE: Final = 1 * GIB
"""Free bytes below which a disk is a problem; below `LITTLE` it is worth a warning."""


@dataclass(frozen=True)
class Check:
    """The outcome of one check; `advice` says what to do unless all is well."""

    name: str
    status: Status
    message: str
    advice: str = ""


def running(settings: Settings) -> Iterator[Check]:
    """Whether the services run, or were stopped in order."""
    state, name = settings.state_dir, "services"
    log = services.log(settings, "supervisor")
    if control.running(state):
        yield from _services(settings)
    elif control.supervised(state):
        yield Check(name, "warning", f"the supervisor of {state} is starting", "look again in a moment")
    elif (found := record.read(state)) is None or found.phase == "stopping":
        yield Check(name, "ok", f"nothing runs in {state}; `ridgeline up` starts it")
    elif found.phase == "failed":
        yield Check(name, "problem", "the services gave up", f"read {log}, then `ridgeline up`")
    else:
        yield Check(name, "problem", f"the supervisor (pid {found.pid}) was killed", "`ridgeline up` starts it anew")


def _services(settings: Settings) -> Iterator[Check]:
    found = overview.describe(settings)["services"]
    sick = [str(service["name"]) for service in found if not service["healthy"]]
    if not sick:
        yield Check("services", "ok", f"{len(found)} services are healthy")
    for name in sick:
        advice = f"it is started again by itself; if that does not help, read {services.log(settings, name)}"
        yield Check("services", "problem", f"{name} is not healthy", advice)


def endpoints(settings: Settings) -> Iterator[Check]:
    """Whether each endpoint that shall serve does, while the services run."""
    for endpoint in overview.describe(settings)["endpoints"]:
        what = f"{endpoint['environment']} of {endpoint['recipe']}"
        if endpoint["ready"]:
            yield Check("endpoints", "ok", f"{what} serves {endpoint['image']} at {endpoint['url']}")
        else:
            advice = _reading(settings, f"{endpoint['environment']}-{endpoint['recipe']}-*")
            yield Check("endpoints", "problem", f"{what} is not ready at {endpoint['url']}", advice)


def _reading(settings: Settings, replicas: str) -> str:
    if selection.duties(settings).serves:
        return f"read {services.log(settings, replicas)}"
    return f"read {services.log(settings, 'listener')}: it puts endpoints right, and says why it cannot"


def network(settings: Settings) -> Iterator[Check]:
    """Whether each setting's port is free, or held by what runs here."""
    listeners = ports.listeners()
    ours = {process.pid for process in processes.marked(settings.state_dir)}
    seen: dict[int, str] = {}
    needed = ports.needed(settings)
    wanted = () if selection.models_page(settings) else ("mlflow_port",)
    for name in (*needed, *wanted):
        port = int(getattr(settings, name))
        variable = f"RIDGELINE_{name.upper()}"
        if port in seen:
            yield Check("ports", "problem", f"{name} and {seen[port]} are both {port}", f"set {variable}")
        elif ports.free(settings.host, port):
            yield Check("ports", "ok", f"{name} {port} is free")
        elif (pid := listeners.get(port)) in ours:
            yield Check("ports", "ok", f"{name} {port} is held by ours (pid {pid})")
        else:
            status: Status = "problem" if name in needed else "warning"
            whose = f"pid {pid}" if pid else "another user"
            yield Check("ports", status, f"{name} {port} is held by {whose}", f"end that process or set {variable}")
        seen.setdefault(port, name)


def disks(settings: Settings) -> Iterator[Check]:
    """Whether the state folder can be written, and what is free on its disk and on that of the sockets."""
    state = settings.state_dir
    existing = next(folder for folder in (state, *state.parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield Check("disk", "problem", f"{existing} cannot be written", "set RIDGELINE_STATE to a folder of yours")
    devices = {folder.stat().st_dev: folder for folder in (sockets.SHORT, existing)}
    for folder in devices.values():
        yield _space(folder)


def _space(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    text = f"{free / GIB:.1f} GiB are free at {folder}"
    if free >= LITTLE:
        return Check("disk", "ok", text)
    status: Status = "warning" if free >= TOO_LITTLE else "problem"
    return Check("disk", status, text, "free some space, or set RIDGELINE_STATE to a folder on another disk")
