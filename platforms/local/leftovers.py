"""What killed installations left on this machine: processes without a supervisor, folders without a state."""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import psutil

from platforms.local import control, postgres, processes, sockets
from platforms.local.diagnosis import Check
from platforms.settings import ROOT, Settings

REAPERS: Final = ("systemd", "init", "tini", "docker-init")
"""What a process whose parent died is handed to, besides process 1 and supervisors."""
FOLDER: Final = re.compile(r"ridgeline-([0-9a-f]{16})")


def orphans(settings: Settings) -> Iterator[Check]:
    """Processes of supervisors that are gone, whatever their state folder."""
    mine = settings.state_dir
    unsupervised = {state: found for state, found in _marked().items() if not control.supervised(state)}
    left = {state: found for state, found in unsupervised.items() if state == mine or _abandoned(found)}
    for state, found in sorted(left.items()):
        pids = ", ".join(str(pid) for pid in sorted(process.pid for process in found))
        text = f"{len(found)} processes of a dead supervisor of {state} run: {pids}"
        if state == mine:
            yield Check("leftovers", "problem", text, "`ridgeline down` ends them")
        else:
            yield Check("leftovers", "warning", text, f"`RIDGELINE_STATE={state} ridgeline down` ends them")
    if not left:
        yield Check("leftovers", "ok", "no process without its supervisor")


def folders(settings: Settings) -> Iterator[Check]:
    """Folders in `/tmp` and `/var/tmp` whose state folder is gone."""
    known = {_identity(state) for state in _states(settings)}
    in_use = _sockets()
    stale = [path for path in _outside() if not _belongs(path, known, in_use)]
    for path in stale:
        text = f"{path} is used by nobody, and its state folder {_owner(path) or '(unknown)'} is gone"
        yield Check("leftovers", "warning", text, f"`rm -r {path}`, unless that folder comes back")
    if not stale:
        yield Check("leftovers", "ok", "no folder without its state")


def _marked() -> dict[Path, set[psutil.Process]]:
    """All processes that some supervisor started by its state folder, those that led to this one left out."""
    me = psutil.Process()
    mine = {me, *me.parents()}
    found: dict[Path, set[psutil.Process]] = defaultdict(set)
    for process in psutil.process_iter():
        marker = _marker(process)
        if marker and process not in mine:
            found[Path(marker)].add(process)
    return found


def _marker(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.environ().get(processes.MARKER)
    return None


def _abandoned(found: set[psutil.Process]) -> bool:
    """Whether one of them was handed to the system because its parent died; tests look after theirs themselves."""
    outside = [parent for _, parent in processes.parents(found) if parent not in found]
    return any(parent is None or parent.pid == 1 or parent.name() in REAPERS or _marker(parent) for parent in outside)


def _outside() -> list[Path]:
    """This user's folders outside of any state folder."""
    candidates = [path for parent in (sockets.SHORT, postgres.OUTSIDE) for path in sorted(parent.glob("ridgeline-*"))]
    return [path for path in candidates if FOLDER.fullmatch(path.name) and _is_mine(path)]


def _is_mine(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_dir() and path.stat().st_uid == os.geteuid()
    return False


def _belongs(path: Path, known: set[str], in_use: Iterable[str]) -> bool:
    """Whether a state folder has the id in the folder's name, or somebody listens in there."""
    identity = path.name.removeprefix("ridgeline-")
    if identity in known or any(socket.startswith(f"{path}/") for socket in in_use):
        return True
    owner = _owner(path)
    return owner is not None and _identity(owner) == identity


def _owner(path: Path) -> Path | None:
    """The state folder that a folder says it belongs to; older ones say nothing."""
    with contextlib.suppress(OSError):
        return Path((path / sockets.OWNER).read_text())
    return None


def _identity(state: Path) -> str:
    """The id of a state folder; unlike `sockets.identity` it makes none."""
    with contextlib.suppress(OSError):
        return (state / "postgres.id").read_text().strip()
    return ""


def _states(settings: Settings) -> set[Path]:
    below = {file.parent for file in (ROOT / ".ridgeline").glob("*/postgres.id")}
    return below | {settings.state_dir} | set(_marked())


def _sockets() -> list[str]:
    """The paths of all unix sockets that are bound."""
    with contextlib.suppress(psutil.Error, OSError):
        return [str(found.laddr) for found in psutil.net_connections("unix") if found.laddr]
    return []
