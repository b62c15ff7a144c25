"""`python -m tests.launched COMMAND …` runs a command beside a launcher that has imported what tests need.

Workers of pytest, and the longest of the programs that tests start, are forks of it (`platforms/local/launcher.py`):
to import the libraries takes ten seconds, and from a clean clone, where they are not compiled yet, thirty. Without a
launcher, as under a plain `pytest`, each imports what it needs itself.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from platforms.local import launch_client, launcher, services

VARIABLE = "TESTS_PYTHON"
"""The variable that has the words before a module's name in a command that runs it by the launcher."""

NEEDED_BY_MOST = ("skops.io", "prefect.main", "prefect_azure", "azure.storage.blob", "pandera.pandas")
NEEDED_BY_SOME = (
    "azure.ai.ml",
    "azure.eventgrid",
    "azure.keyvault.secrets",
    "azure.mgmt.containerinstance",
    "azure.mgmt.containerregistrytasks",
    "azure.mgmt.resource",
    "azure.monitor.opentelemetry.exporter",
    "azure.monitor.query",
    "azure.storage.queue",
    "hypothesis.strategies",
    "kubernetes.client.api.apps_v1_api",
    "kubernetes.client.api.core_v1_api",
    "lightgbm",
    "matplotlib.figure",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "prefect.cli.server",
    "prefect.server.api.server",
    "prefect.workers.process",
    "schemathesis",
    "skl2onnx",
    "sklearn.ensemble",
    "tritonclient.http",
    "uvicorn",
)
"""But for onnxruntime, which starts a thread when it is imported."""


def python() -> tuple[str, ...]:
    """How a command line begins that goes on with a module: by the launcher if there is one."""
    words = os.environ.get(VARIABLE)
    return tuple(shlex.split(words)) if words else (sys.executable, "-m")


def with_python(folder: Path) -> Path:
    """A folder for the `PATH` of programs whose `python -m MODULE …` may be run by the launcher, if there is one."""
    if VARIABLE not in os.environ:
        return Path(sys.executable).parent
    program = folder / "python"
    launched, itself = os.environ[VARIABLE], shlex.quote(sys.executable)
    program.write_text(f'#!/bin/sh\n[ "$1" = -m ] && shift && exec {launched} "$@"\nexec {itself} "$@"\n')
    program.chmod(0o755)
    return folder


def main(command: list[str]) -> int:
    """Run the command, which finds the launcher by its environment, and end the launcher with it."""
    with tempfile.TemporaryDirectory(prefix="ridgeline-tests-") as folder:
        socket = str(Path(folder) / "launcher.sock")
        program = [sys.executable, "-P", launcher.__file__, socket, *NEEDED_BY_MOST, *NEEDED_BY_SOME]
        variables = {VARIABLE: shlex.join(launch_client.command(socket))}
        with subprocess.Popen(program, env=os.environ | services.WITHOUT_THREADS, start_new_session=True) as server:
            try:
                return _run(command, variables)
            finally:
                server.terminate()


def _run(command: list[str], variables: dict[str, str]) -> int:
    with subprocess.Popen(command, env=os.environ | variables) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
