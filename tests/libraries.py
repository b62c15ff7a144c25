"""The libraries that tests and the services they start import; `python -m tests.libraries` compiles them.

From a clean clone each of the workers, and each of the services, would compile what it imports at the same time.
"""

from __future__ import annotations

import multiprocessing
import sys

from tests import measured

NEEDED_BY_MOST = ("prefect.main", "prefect_azure", "skops.io", "azure.storage.blob", "pandera.pandas")
ORCHESTRATION = (
    "azure.ai.ml",
    "azure.eventgrid",
    "azure.keyvault.secrets",
    "azure.mgmt.containerinstance",
    "azure.mgmt.containerregistrytasks",
    "azure.mgmt.resource",
    "azure.monitor.opentelemetry.exporter",
    "azure.monitor.query",
    "azure.storage.blob",
    "azure.storage.queue",
    "prefect.cli.server",
    "prefect.server.api.server",
    "prefect.workers.process",
    "prefect_azure",
)
LEARNING = (
    "hypothesis.strategies",
    "kubernetes.client.api.apps_v1_api",
    "kubernetes.client.api.core_v1_api",
    "lightgbm",
    "matplotlib.figure",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "onnxruntime",
    "pandera.pandas",
    "schemathesis",
    "skl2onnx",
    "sklearn.ensemble",
    "skops.io",
    "tritonclient.http",
    "uvicorn",
)
"""Two halves that take equally long and have little in common."""


if __name__ == "__main__":
    halves = [multiprocessing.Process(target=measured.load, args=half) for half in (ORCHESTRATION, LEARNING)]
    for half in halves:
        half.start()
    for half in halves:
        half.join()
    sys.exit(any(half.exitcode for half in halves))
