from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from dotenv import dotenv_values

from cli import dotenv
from platforms.settings import ROOT, Settings

DEFAULTS = {"prefect_port": 4200, "qa_port": 9100, "prod_port": 9200, "mlflow_port": 5500}


@pytest.fixture
def local() -> Settings:
    """Settings that name a state folder inside of the clone and the default ports, whatever the environment says."""
    return Settings(state=Path(".ridgeline/state")).model_copy(update=DEFAULTS)


def test_points_to_the_server(local: Settings, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    dotenv.write(local.model_copy(update={"prefect_port": 4300}), file)
    assert dotenv_values(file) == {
        "PREFECT_API_URL": "http://127.0.0.1:4300/api",
        "PREFECT_HOME": str(ROOT / ".ridgeline/state/prefect"),
        "RIDGELINE_STATE": ".ridgeline/state",
        "RIDGELINE_PREFECT_PORT": "4300",
    }
    assert os.listdir(tmp_path) == [".env"]


def test_keeps_what_is_not_its_own_and_takes_back_what_is(local: Settings, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    before = '# by hand\nTOKEN="a b#c"\nRIDGELINE_QA_PORT=1\nexport RIDGELINE_STATE=old\n\nRIDGELINE_WORKER_LIMIT=4\n'
    file.write_text(before)
    file.chmod(0o600)
    dotenv.write(local, file)
    text = file.read_text()
    for line in ("# by hand\n", 'TOKEN="a b#c"\n', "RIDGELINE_WORKER_LIMIT=4\n"):
        assert line in text
    assert "RIDGELINE_QA_PORT" not in text
    assert dotenv_values(file)["RIDGELINE_STATE"] == ".ridgeline/state"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_state_folder_elsewhere_is_absolute(settings: Settings, tmp_path: Path) -> None:
    dotenv.write(settings, tmp_path / ".env")
    assert dotenv_values(tmp_path / ".env")["RIDGELINE_STATE"] == str(settings.state_dir)


def test_a_write_that_fails_leaves_no_copy_behind(
    local: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("TOKEN=secret\n")
    monkeypatch.setattr(dotenv, "set_key", Mock(side_effect=OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        dotenv.write(local, file)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(".env", "TOKEN=secret\n")]


def test_git_takes_no_copy_that_a_kill_left_behind() -> None:
    assert {".env", ".env.*"} <= set((ROOT / ".gitignore").read_text().splitlines())
