"""`ridgeline mlflow`: the run history and registry in MLflow's own UI."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from platforms.settings import Settings


@click.command()
def mlflow() -> None:
    """Show training runs and model versions in MLflow's UI, until Ctrl-C. On Azure print the studio's address."""
    from platforms import selection
    from platforms.settings import Settings

    settings = Settings()
    if page := selection.models_page(settings):
        click.echo(f"Azure ML studio shows models and training runs: {page}")
        return
    _serve(settings)


def _serve(settings: Settings) -> None:
    from platforms.local.registry import MlflowRegistry

    registry = MlflowRegistry(settings.state_dir)
    registry.prepare()
    click.echo(f"MLflow: {settings.url(settings.mlflow_port)}")
    options = ["--backend-store-uri", registry.uri, "--host", settings.host, "--port", str(settings.mlflow_port)]
    # By default it starts 13 processes; one worker and no jobs are 2.
    names = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    os.execve(sys.executable, [sys.executable, "-m", "mlflow", "ui", "--workers", "1", *options], names)
