"""The libraries that tests and the services they start import; `python -m tests.libraries` compiles them.

From a clean clone each of the workers, and each of the services, would compile what it imports at the same time.
"""

from __future__ import annotations

from tests import measured

NEEDED_BY_MOST = ("prefect.main", "prefect_azure", "skops.io", "azure.storage.blob", "pandera.pandas")
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
    "onnxruntime",
    "prefect.cli.server",
    "prefect.server.api.server",
    "prefect.workers.process",
    "schemathesis",
    "sklearn.ensemble",
    "skl2onnx",
    "tritonclient.http",
    "uvicorn",
)


if __name__ == "__main__":
    measured.load(*NEEDED_BY_MOST, *NEEDED_BY_SOME)
