"""Starts Python programs in milliseconds: a process that has imported the heavy libraries and forks itself.

A flow run's own work starts seconds after its process does, and nearly all of that time goes into imports; so it is
with the Prefect server, the worker and the listener. The launcher imports once and waits on a unix socket, between
the imports too. For each request it forks; the fork takes over the client's environment, working directory and
standard files and runs the module that the client names as `__main__`.

What a fork must not have is code of ours that may have changed since: so this file imports nothing of ours, is run as
a script, and preloads only what is installed; when that changes, it ends and the supervisor starts it again.

The wire, all integers little-endian: the client sends the three standard files and a length (4 bytes) with as many
bytes after it: working directory, number of arguments, arguments and environment, separated by NUL. It is told the
fork's pid (4 bytes) and, at the end, its exit code (2 bytes, a signal's number negative). A length of 0 is a ping and
is answered with 0. The fork ends when its client does; it outlives the launcher.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

DONE = object()
PRELOADED = (
    # The Prefect server is the first that wants to be forked, and waits for one import only.
    "prefect.server.api.server",
    "prefect.cli.server",
    "prefect.main",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.deployments",
    "prefect.workers.process",
    # Server and worker look for the collections that are installed.
    "prefect_azure",
    "prefect.artifacts",
    "prefect.runtime",
    "prefect.events",
    "prefect.events.clients",
    "prefect.logging.handlers",
    "prefect.concurrency.sync",
    "prefect._internal.metrics",
    "prefect.filesystems",
    "prefect.variables",
    "prefect.input",
    "prefect.blocks.notifications",
    "numpy",
    "scipy.stats",
    "pandas",
    "pyarrow",
    "pyarrow.parquet",
    "pyarrow.compute",
    "pyarrow.dataset",
    "deltalake",
    "sklearn.base",
    "sklearn.pipeline",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "sklearn.metrics",
    "sklearn.datasets",
    # It looks for each of some hundred functions in all that is imported already, so the earlier the cheaper.
    "skops.io",
    "skl2onnx",
    "mlflow",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "pandera.pandas",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "filelock",
    "msgspec",
    "httpx",
    "psutil",
)


@dataclass(frozen=True)
class Request:
    """What a client wants to be run: `arguments` is the module and what its `sys.argv` holds after the program."""

    directory: str
    arguments: list[str]
    environment: dict[bytes, bytes]
    files: list[int]


class Launcher:
    """The listening side. `serve` returns only in a fork, with the request and the connection to its client."""

    def __init__(self, path: Path, installed: dict[str, int]) -> None:
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)
        self._installed = installed
        self._connections: dict[int, socket.socket] = {}

    def serve(self, modules: Iterable[str]) -> tuple[Request, socket.socket]:
        """Answer clients for ever, at first between the imports of these modules: a fork has those that are there."""
        signal.signal(signal.SIGCHLD, lambda *_: self._reap())
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        preloading = _preload(modules)
        while True:
            while not select.select([self._listener], [], [], 0)[0] and next(preloading, DONE) is not DONE:
                pass
            connection = self._listener.accept()[0]
            connection.settimeout(5)
            with contextlib.suppress(OSError, ValueError):
                request = _receive(connection)
                if request is None:
                    connection.sendall(bytes(4))
                elif self._fork(request, connection):
                    return request, connection
            if connection not in self._connections.values():
                connection.close()

    def _fork(self, request: Request, connection: socket.socket) -> bool:
        """True in the fork."""
        if self._installed != _installed():
            sys.exit("the installed packages changed: starting again with the new ones")
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid:
            self._connections[pid] = connection
            for file in request.files:
                os.close(file)
        else:
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            self._listener.close()
            for other in self._connections.values():
                other.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        return not pid

    def _reap(self) -> None:
        """Tell the clients of forks that have ended; other children are of modules that are being imported."""
        for pid in [*self._connections]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with self._connections.pop(pid) as connection, contextlib.suppress(OSError):
                    connection.sendall(_exit_code(os.waitstatus_to_exitcode(status)))


def main() -> NoReturn:
    """Preload the modules that further arguments name, or the usual ones, and serve the socket of the first one."""
    me = os.getpid()
    request, connection = Launcher(Path(sys.argv[1]), _installed()).serve(sys.argv[2:] or PRELOADED)
    finished = threading.Event()
    code = 1
    try:
        code = _run(request, connection, finished)
    finally:
        # The launcher tells the code when the fork is wholly gone, logs flushed; only without it the fork must.
        if os.getppid() != me:
            finished.set()
            with contextlib.suppress(OSError):
                connection.sendall(_exit_code(code))
    sys.exit(code)


def _preload(modules: Iterable[str]) -> Iterator[None]:
    """Import one module after the other, with a halt after each.

    To look for garbage meanwhile, again and again among all that stays, would take a sixth of the time.
    """
    gc.disable()
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"launcher: {name} is not preloaded: {error}", file=sys.stderr, flush=True)
        yield
    if (threads := len(os.listdir("/proc/self/task"))) > 1:
        print(f"launcher: {threads} threads before a fork, forks may hang", file=sys.stderr, flush=True)
    gc.freeze()
    gc.enable()


def _receive(connection: socket.socket) -> Request | None:
    """The client's request, None for a ping; raises `ValueError` if it hangs up in the middle."""
    head, files, _, _ = socket.recv_fds(connection, 4, 3)
    size, body = int.from_bytes(head, "little"), b""
    while len(body) < size:
        if not (part := connection.recv(size - len(body))):
            raise ValueError("the client hung up")
        body += part
    if not size:
        return None
    directory, count, *rest = body.split(b"\0")
    pairs = (entry.partition(b"=") for entry in rest[int(count) :])
    arguments = [os.fsdecode(argument) for argument in rest[: int(count)]]
    return Request(os.fsdecode(directory), arguments, {name: value for name, _, value in pairs}, files)


def _run(request: Request, connection: socket.socket, finished: threading.Event) -> int:
    """Become the program that the client asked for; returns its exit code."""
    # What is there by now stays, so to look at it for garbage would be in vain, and would copy its memory.
    gc.freeze()
    gc.enable()
    os.setsid()
    _take_over(request)
    _name(request.arguments)
    connection.settimeout(None)
    connection.sendall(os.getpid().to_bytes(4, "little"))
    threading.Thread(target=_end_with_client, args=[connection, finished], daemon=True).start()
    module = request.arguments[0]
    sys.argv = [module, *request.arguments[1:]]
    sys.modules.pop(module, None)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _take_over(request: Request) -> None:
    os.chdir(request.directory)
    os.environb.clear()
    os.environb.update(request.environment)
    for number, file in enumerate(request.files):
        os.dup2(file, number)
        os.close(file)
    if os.environ.get("PYTHONUNBUFFERED") and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, write_through=True)
    additions = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.path[:0] = [request.directory, *additions]
    importlib.invalidate_caches()
    # Both were made when the launcher started: every fork would draw the same numbers and see the old settings.
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if prefect := sys.modules.get("prefect.context"):
        prefect.refresh_global_settings_context()
        sys.modules["prefect.logging.configuration"].setup_logging()


def _name(arguments: list[str]) -> None:
    """Tell in `top` and `ps -o comm` what it is, in the 15 bytes that Linux has for that."""
    module, *rest = arguments
    with contextlib.suppress(OSError):
        # Without a space, at which many split what `/proc/PID/stat` says.
        Path("/proc/self/comm").write_text("-".join([module.rpartition(".")[2], *rest])[:15])


def _end_with_client(connection: socket.socket, finished: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(1):
            pass
    if not finished.is_set():
        os.killpg(0, signal.SIGKILL)


def _exit_code(code: int) -> bytes:
    return code.to_bytes(2, "little", signed=True)


def _installed() -> dict[str, int]:
    """What tells one set of installed packages from another; bytecode that comes beside them is no change."""
    folders = [folder for folder in sys.path if folder.endswith("site-packages")]
    entries = [entry for folder in folders for entry in os.scandir(folder) if entry.name.endswith(".dist-info")]
    return {entry.path: entry.stat().st_mtime_ns for entry in entries}


if __name__ == "__main__":
    main()
