"""Who is compared, how each is started and what it is asked.

Commands, variables and templates may use `$bin` (programs of the peer's environment), `$port` to `$port3`, `$home`
(the benchmark's folder) and `$apps` (what a user of the peer would have to write).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

HERE: Final = Path(__file__).parent
APPS: Final = HERE / "apps"
REQUIREMENTS: Final = HERE / "requirements"

Kind = Literal["peer", "limit", "ours"]


@dataclass(frozen=True)
class Question:
    """A request: the kind of body (`material`), where it goes, and further header lines."""

    body: str
    path: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Peer:
    """A server. The first question is asked with one row, all of them with a thousand.

    `requirements` names its environment, `template` a file of `apps` whose variables are filled in; `folder` is where
    it starts. A limit has no model: it answers the same to whatever it is asked.
    """

    name: str
    title: str
    command: tuple[str, ...]
    questions: tuple[Question, ...]
    requirements: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    folder: Path = APPS
    kind: Kind = "peer"


def _mlserver(name: str, title: str) -> Peer:
    ports = {"MLSERVER_HTTP_PORT": "$port", "MLSERVER_GRPC_PORT": "$port2", "MLSERVER_METRICS_PORT": "$port3"}
    # Its default pool of workers does not start with the uvloop that it resolves to.
    others = {"MLSERVER_HOST": "127.0.0.1", "MLSERVER_PARALLEL_WORKERS": "0"}
    return Peer(
        name,
        title,
        ("$bin/mlserver", "start", f"$home/{name}"),
        (Question("v2", "/v2/models/diabetes/infer"),),
        "mlserver",
        ports | others,
    )


PEERS: Final = (
    Peer(
        "nginx",
        "nginx, static answer",
        ("nginx", "-c", "$home/nginx.conf", "-e", "stderr"),
        (Question("rows", "/score"),),
        template="nginx.conf",
        kind="limit",
    ),
    Peer(
        "granian",
        "granian RSGI, static answer",
        ("$bin/granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", "$port", "hello:app"),
        (Question("rows", "/score"),),
        "granian",
        kind="limit",
    ),
    Peer(
        "azureml",
        "azureml-inference-server-http",
        (
            *("$bin/azmlinfsrv", "--entry_script", "$apps/score.py", "--model_dir", "$home"),
            *("--port", "$port", "--health_port", "$port2"),
        ),
        (Question("rows", "/score"),),
        "azureml",
    ),
    Peer(
        "mlflow",
        "mlflow models serve",
        (
            *("$bin/mlflow", "models", "serve", "--model-uri", "$home/job/model", "--env-manager", "local"),
            *("--host", "127.0.0.1", "--port", "$port", "--workers", "1"),
        ),
        (Question("split", "/invocations"),),
        "mlflow",
        {"MLFLOW_DISABLE_TELEMETRY": "true"},
    ),
    _mlserver("mlserver", "MLServer, no pool"),
    _mlserver("mlserver-batching", "MLServer, adaptive batching"),
    Peer(
        "bentoml",
        "BentoML",
        ("$bin/bentoml", "serve", "bento_service:Diabetes", "--host", "127.0.0.1", "--port", "$port"),
        (Question("named", "/predict"),),
        "bentoml",
        {"BENTOML_HOME": "$home/bentoml", "BENTOML_DO_NOT_TRACK": "true", "MODEL": "$home/model.joblib"},
    ),
    Peer(
        "fastapi",
        "FastAPI + scikit-learn",
        ("$bin/uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--port", "$port", "--log-level", "warning"),
        (Question("rows", "/score"),),
        "fastapi",
        {"MODEL": "$home/model.joblib"},
    ),
)
