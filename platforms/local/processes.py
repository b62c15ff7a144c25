"""Finding and ending processes without ever touching a stranger's.

Everything that a supervisor starts inherits a marker in its environment, the state folder's path. With it and with
recorded pids and creation times, what a killed supervisor left behind is found: a reused pid was created later.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import psutil

MARKER = "RIDGELINE_SUPERVISED"

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def end_with_parent() -> None:
    """Have this process sent SIGTERM when its parent has died."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def adopt_descendants() -> None:
    """Make this process the parent of all its descendants whose own parent has died."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def find(pid: int, created: float) -> psutil.Process | None:
    """The process that had this pid and creation time (seconds since 1970), if it still runs."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - created) < 0.1 and not is_zombie(process):
            return process
    return None


def created(pid: int) -> float:
    """When a process was created, in seconds since 1970; 0 if it is gone."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).create_time()
    return 0.0


def parents(found: Iterable[psutil.Process]) -> Iterator[tuple[psutil.Process, psutil.Process | None]]:
    """Each one that still runs, with its parent."""
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield process, process.parent()


def tree(roots: Iterable[psutil.Process]) -> set[psutil.Process]:
    """The processes and all their descendants."""
    found: set[psutil.Process] = set()
    for root in roots:
        with contextlib.suppress(psutil.Error):
            found |= {root, *root.children(recursive=True)}
    return found


def marked(state: Path) -> set[psutil.Process]:
    """Everything that a supervisor of this state folder started, this process left out."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARKER) == str(state):
                found.add(process)
    return found


def end(processes: Collection[psutil.Process], grace: float, by: signal.Signals = signal.SIGTERM) -> None:
    """Ask the processes to end, and kill those that have not after `grace` seconds."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(by)
            process.send_signal(signal.SIGCONT)
    for process in _await_ends(processes, grace):
        with contextlib.suppress(psutil.Error):
            process.kill()
    _await_ends(processes, 5)


def end_all(processes: Collection[psutil.Process], grace: float) -> None:
    """End the processes, the databases among them last and in the way that lets them shut down at once."""
    databases = {process for process in processes if _is_database(process)}
    end(set(processes) - databases, grace)
    end(databases, grace, signal.SIGINT)


def is_zombie(process: psutil.Process) -> bool:
    """Whether the process has ended and only waits for its parent to ask how."""
    with contextlib.suppress(psutil.Error):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return False


def _await_ends(processes: Collection[psutil.Process], seconds: float) -> Collection[psutil.Process]:
    """Those that still run after so long. A container's first process may never bury what it adopts."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left and time.monotonic() < deadline:
        left = [process for process in psutil.wait_procs(left, 0.05)[1] if not is_zombie(process)]
    return left


def kill_group(pid: int) -> None:
    """Kill a process and its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _is_database(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.name() == "postgres"
    return False


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
