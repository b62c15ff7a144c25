"""Every setting of Ridgeline, read from the environment (`RIDGELINE_…`) and then from `.env` in the clone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = Path(os.environ.get("RIDGELINE_ENV_FILE") or ROOT / ".env")
"""The file that `ridgeline up` writes and that every command reads; a second installation beside it names another."""


LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""What to ask where a service listens on every address."""


class Settings(BaseSettings):
    """What can be set. A field `x_y` is the environment variable `RIDGELINE_X_Y`."""

    model_config = SettingsConfigDict(
        title="RIDGELINE_",
        env_prefix="RIDGELINE_",
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
    )

    platform: Literal["local", "azure"] = "local"
    """Where data, training, models and endpoints are; Prefect's services run on this machine in either case."""

    state: Path = Path(".ridgeline/state")
    """Folder of everything that the local platform keeps, relative to the clone."""

    host: str = "127.0.0.1"
    """Address that local services listen on."""

    prefect_port: int = Field(default=4200, ge=1, le=65535)
    """Port of the Prefect server and its UI."""

    qa_port: int = Field(default=9100, ge=1, le=65535)
    """Port of the first recipe's qa endpoint; each further recipe takes the next free one."""

    prod_port: int = Field(default=9200, ge=1, le=65535)
    """Port of the first recipe's prod endpoint; each further recipe takes the next free one."""

    mlflow_port: int = Field(default=5500, ge=1, le=65535)
    """Port on which `ridgeline mlflow` shows the run history."""

    database_url: str | None = None
    """An external PostgreSQL for Prefect (`postgresql+asyncpg://…`) instead of the embedded one."""

    prefect_auth: SecretStr | None = None
    """`user:password` that the Prefect server asks for (HTTP basic); without it anybody on the machine may use it."""

    work_pool: str = "ridgeline"
    """Prefect work pool that the deployments run in."""

    worker_limit: int = Field(default=2, ge=1)
    """Flow runs at the same time in the work pool."""

    prod_replicas: int = Field(default=2, ge=1)
    """Processes behind the prod endpoint's address."""

    ready_timeout: float = Field(default=30.0, gt=0)
    """Seconds until a new replica must be ready, else its release fails."""

    drain_timeout: float = Field(default=5.0, gt=0)
    """Seconds that a replaced replica may take to answer what is in flight."""

    job_timeout: float = Field(default=3600.0, gt=0)
    """Seconds until a training job is ended."""

    job_memory_mb: int = Field(default=4096, ge=768)
    """Memory limit of a training job in MiB, beyond what its process has at its start.

    In a process of its own its libraries take about 600 of it; a fork of the launcher begins with them.
    """

    image_engine: Literal["process", "docker", "buildah"] = "process"
    """`process` runs the image's context in its own environment; the others also build the OCI image."""

    @property
    def state_dir(self) -> Path:
        """The state folder as an absolute path."""
        return (ROOT / self.state).resolve()

    @property
    def prefect_url(self) -> str:
        """Base URL of the Prefect UI; the API is below `/api`."""
        return self.url(self.prefect_port)

    def url(self, port: int) -> str:
        """How processes of this machine reach what listens on a port of `host`."""
        host = LOOPBACK.get(self.host, self.host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
