from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import uv

from cli import installation
from platforms.local.diagnosis import Check

Look = Callable[..., dict[str, list[Check]]]

PREFECT = metadata.version("prefect")


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Checks this environment against a made-up clone that was just set up; gives the checks by name."""

    def checks(
        *dependencies: str, python: str = ">=3.11", lock: str = "", age: float = 0.0
    ) -> dict[str, list[Check]]:
        listed = ", ".join(f'"{text}"' for text in dependencies)
        project = f'[project]\nrequires-python = "{python}"\ndependencies = [{listed}]\n'
        (tmp_path / "pyproject.toml").write_text(project)
        (tmp_path / "requirements.lock").write_text(lock)
        stamp = tmp_path / ".ridgeline-setup"
        stamp.touch()
        os.utime(stamp, (stamp.stat().st_mtime - age,) * 2)
        found: dict[str, list[Check]] = {}
        for check in installation.check(tmp_path, tmp_path):
            found.setdefault(check.name, []).append(check)
        return found

    return checks


def test_what_is_installed_as_asked_is_fine(look: Look) -> None:
    found = look(f"prefect=={PREFECT}", "Click>=8", lock=f"prefect=={PREFECT} \\\n    --hash=sha256:0\n")
    assert {check.status for checks in found.values() for check in checks} == {"ok"}
    assert found["packages"][0].message == f"2 packages are as locked, prefect {PREFECT}"
    assert found["python"][0].message.startswith(platform.python_version())
    assert found["uv"][0].message.startswith("uv ")


def test_a_wrong_and_a_missing_package_are_problems(look: Look) -> None:
    wrong, missing = look("prefect<1", "no-such-package>=1")["packages"]
    assert (wrong.status, missing.status) == ("problem", "problem")
    assert wrong.message == f"prefect is {PREFECT}, wanted prefect<1"
    assert missing.message == "no-such-package is missing, wanted no-such-package>=1"
    assert missing.advice == "`make setup`"


def test_another_version_than_the_locked_one_is_a_warning(look: Look) -> None:
    lock = 'prefect==3.0.0 ; sys_platform == "win32" \\\n    --hash=sha256:0\nprefect==3.0.1\n'
    [check] = look("prefect>=3", lock=lock)["packages"]
    expected = f"prefect is {PREFECT}, requirements.lock has 3.0.0 or 3.0.1"
    assert (check.status, check.message) == ("warning", expected)


def test_an_old_python_is_a_problem(look: Look) -> None:
    [check] = look(python=">=3.99")["python"]
    assert (check.status, check.message) == ("problem", f"{platform.python_version()}, wanted >=3.99")


def test_a_changed_lock_asks_for_a_new_setup(look: Look) -> None:
    [check] = look(age=60.0)["setup"]
    expected = "pyproject.toml and requirements.lock changed since the last setup"
    assert (check.status, check.message) == ("warning", expected)


def test_an_environment_of_another_making_is_told(look: Look, tmp_path: Path) -> None:
    look()
    (tmp_path / ".ridgeline-setup").unlink()
    *_, check = installation.check(tmp_path, tmp_path)
    assert (check.status, check.name) == ("warning", "setup")


def test_a_uv_that_does_not_run_is_a_problem(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "find_uv_bin", lambda: "/no/such/uv")
    [check] = look()["uv"]
    assert check.status == "problem"
    assert "no image can be built" in check.message
    assert "/no/such/uv" in check.message


def test_this_clone_asks_for_what_is_installed() -> None:
    checks = list(installation.check(environment=Path(sys.prefix)))
    assert [check.name for check in checks if check.status == "problem"] == []
