from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

from platforms.local.storage import LocalStorage
from platforms.settings import Settings
from tasks.packaging import assemble
from tests.log_shipper.made import closed, ids, many, shipped
from tests.tasks.made import RECIPE, make_outputs


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    assemble(folder / "context", RECIPE, make_outputs(folder / "job"))
    return folder / "context"


def test_the_image_has_the_shipper_and_no_other_port(context: Path) -> None:
    files = {file.relative_to(context).as_posix() for file in context.rglob("*.py")}
    assert {"log_shipper/__main__.py", "log_shipper/records.py", "platforms/local/storage.py"} <= files
    platform = {file for file in files if file.startswith("platforms/")}
    assert platform == {
        "platforms/__init__.py",
        "platforms/errors.py",
        "platforms/local/__init__.py",
        "platforms/local/files.py",
        "platforms/local/storage.py",
        "platforms/paths.py",
        "platforms/platform.py",
        "platforms/protocols.py",
        "platforms/races.py",
        "platforms/selection.py",
        "platforms/settings.py",
        "platforms/values.py",
    }


def test_the_shipper_has_an_environment_of_its_own(context: Path) -> None:
    pins = (context / "requirements-shipper.txt").read_text().split()
    assert f"pyarrow=={version('pyarrow')}" in pins
    assert f"pydantic-core=={version('pydantic-core')}" in pins
    assert not [pin for pin in pins if pin.startswith(("pandas", "prefect", "deltalake", "azure"))]
    assert "pyarrow" not in (context / "requirements.txt").read_text()
    dockerfile = (context / "Dockerfile").read_text()
    assert "/opt/shipper/bin/pip install --no-cache-dir --no-deps -r requirements-shipper.txt" in dockerfile


def test_the_context_alone_ships(context: Path, settings: Settings, tmp_path: Path) -> None:
    closed(tmp_path / "log", *many(3))
    # Without the `site` module, nothing of this clone can be imported but what the context holds.
    code = f"import sys; sys.path[:0] = [{str(context)!r}, {sysconfig.get_path('purelib')!r}]; "
    code += "sys.argv = ['log_shipper', '--once']; from log_shipper.__main__ import main; main()"
    values = {
        "SHIPPER_LOG_DIR": str(tmp_path / "log"),
        "SHIPPER_NICE": "0",
        "RIDGELINE_STATE": str(settings.state_dir),
    }
    environment = os.environ | values
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3 records" in done.stderr
    assert ids(shipped(LocalStorage.of(settings))) == ["id-0", "id-1", "id-2"]
