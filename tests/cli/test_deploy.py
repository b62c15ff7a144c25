from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from cli.main import main
from platforms.settings import Settings
from tasks import publishing
from tasks.publishing import PublishError

pytestmark = pytest.mark.usefixtures("own_environment")


def test_deploying_authenticates(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def publish(recipes: list[str], api_url: str) -> None:
        seen.extend((recipes, api_url, os.environ.get("PREFECT_API_AUTH_STRING")))

    monkeypatch.setenv("RIDGELINE_PREFECT_AUTH", "ada:lovelace")
    monkeypatch.setattr(publishing, "publish", publish)
    done = CliRunner().invoke(main, ["deploy"])
    assert (done.exit_code, done.output) == (0, "published the deployments of diabetes\n")
    assert seen == [["diabetes"], f"{settings.prefect_url}/api", "ada:lovelace"]


def test_a_refusal_is_told_without_a_traceback(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PublishError("prefect deploy ended with 1")

    monkeypatch.setattr(publishing, "publish", refuse)
    done = CliRunner().invoke(main, ["deploy"])
    assert (done.exit_code, done.stderr) == (1, "Error: prefect deploy ended with 1\n")
