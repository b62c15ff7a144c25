from __future__ import annotations

import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from cli import main as module
from cli.main import COMMANDS, main
from platforms import selection
from platforms.platform import Platform


def test_help_lists_every_command_without_importing_any() -> None:
    code = (
        "import sys, cli.main\n"
        "try: cli.main.main(['--help'])\n"
        "finally: sys.stderr.write(' '.join(sorted(sys.modules)))"
    )
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.monotonic() - begin < 5
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert not {"prefect", "pydantic", "cli.services", "platforms"} & set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f"main {name}" in result.output


def test_an_unknown_command_is_an_error() -> None:
    result = CliRunner().invoke(main, ["upp"])
    assert result.exit_code == 2
    assert "upp" in result.output


@pytest.mark.parametrize("arguments", [["status"], ["data", "diabetes"], ["history", "diabetes"]])
def test_a_setting_that_cannot_be_is_told_by_its_variable(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    selection.current.cache_clear()
    monkeypatch.setenv("RIDGELINE_QA_PORT", "abc")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: RIDGELINE_QA_PORT in .env or the environment: Input should be a valid")


def test_a_name_that_is_no_command_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.COMMANDS, "ROOT", ("platforms.settings", "not a command"))
    with pytest.raises(TypeError, match=r"platforms\.settings\.ROOT is not a click command"):
        main.get_command(click.Context(main), "ROOT")
