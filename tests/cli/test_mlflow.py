from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from click.testing import CliRunner

from cli.main import main
from platforms.platform import Platform
from platforms.settings import Settings


def test_mlflow_takes_the_place_of_the_command(
    platform: Platform, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []
    monkeypatch.setattr(os, "execve", lambda _program, arguments, _environment: started.append(arguments))
    done = CliRunner().invoke(main, ["mlflow"])
    assert done.output == f"MLflow: http://127.0.0.1:{settings.mlflow_port}\n"
    [arguments] = started
    assert arguments[1:4] == ["-m", "mlflow", "ui"]
    assert arguments[-1] == str(settings.mlflow_port)


def test_on_azure_it_says_where_models_are_and_makes_no_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PLATFORM": "azure", "AZURE_SUBSCRIPTION_ID": "s", "AZURE_WORKSPACE": "w"}.items():
        monkeypatch.setenv(f"RIDGELINE_{name}", value)
    done = CliRunner().invoke(main, ["mlflow"])
    assert done.exit_code == 0
    assert "https://ml.azure.com/model/list?wsid=/subscriptions/s/" in done.output
    assert not settings.state_dir.exists()
