"""Checks of the code and of the recipes' samples before anything is published."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed

from platforms.settings import ROOT
from tasks.inspection import Inspection
from tasks.run import run_logger

if TYPE_CHECKING:
    import pandas as pd

    from recipes.recipe import Recipe

Row = dict[str, str | int]

UNIT_TESTS: Final = (
    "tests/cli tests/log_shipper tests/platforms tests/recipes tests/scoring_service tests/tasks tests/training"
)
COVERAGE: Final = 80.0
"""Percent of lines and branches that the unit tests alone must reach; `make test` asks more of all tests."""
TIMEOUT: Final = 1800.0
"""Seconds until a command is ended."""
LAST_LINES: Final = 15
HIDDEN: Final = ("PREFECT_", "RIDGELINE_", "SCORING_", "COV_", "PYTEST_", "TMPDIR")
"""How the variables begin that no command sees: tests must not meet the live state; sockets want a short `TMPDIR`."""


@dataclass(frozen=True)
class Command:
    """A named program with its arguments; it passes if it exits with 0."""

    name: str
    arguments: tuple[str, ...]


def commands(tests: str, coverage: float) -> list[Command]:
    """The checks of the code; `tests` is what follows `pytest` on a command line, `coverage` a percentage."""
    python = sys.executable, "-m"
    limit = ("-n", "2", "--cov", f"--cov-fail-under={coverage:g}", "--cov-report=", "-q", "-rfE")
    return [
        Command("style", (*python, "ruff", "check", ".")),
        Command("format", (*python, "ruff", "format", "--check", ".")),
        Command("types", (*python, "mypy")),
        Command("unit-tests", (*python, "pytest", *shlex.split(tests), "-m", "not long", *limit)),
    ]


@task(task_run_name="{command.name}")
def run_command(command: Command) -> State:
    """Run one check of the code in the clone; its last lines stand in an artifact and in the state."""
    started = time.monotonic()
    code, lines = _output(command)
    seconds, outcome = time.monotonic() - started, "failed" if code else "passed"
    for line in lines:
        run_logger().info("%s", line)
    last = "\n".join(lines[-LAST_LINES:])
    shown = shlex.join(("python", *command.arguments[1:]))
    text = f"**{command.name} {outcome}** in {seconds:.0f} s\n\n`{shown}`\n\n```\n{last}\n```"
    create_markdown_artifact(text, key=f"build-{command.name}", description=f"{command.name} {outcome}")
    return Failed(message=f"ended with {code}:\n{last}") if code else Completed(message=last)


@task(task_run_name="sample of {recipe}")
def check_sample(recipe: str) -> State:
    """Hold a recipe's seed rows against its own schema, and see that they could teach a model something."""
    try:
        table, findings = _examined(recipe)
    except Exception as error:  # A recipe's own code may raise anything, and that is the outcome of its check.
        table, findings = [], [f"{type(error).__name__}: {error}"]
    told = "; ".join(findings) or f"{table[0]['rows']} rows keep the schema of {recipe}"
    create_table_artifact(table, key=f"build-sample-{recipe.replace('_', '-')}", description=told)
    return Failed(message=told) if findings else Completed(message=told)


def failures(checks: Mapping[str, PrefectFuture[State]]) -> dict[str, str]:
    """Wait for all checks; the message of each that did not pass, by name."""
    found = {}
    for name, future in checks.items():
        future.wait()
        if not future.state.is_completed():
            found[name] = future.state.message or str(future.state.name)
    return found


def _output(command: Command) -> tuple[int, list[str]]:
    """Exit code and lines of a command that sees neither settings nor server of the run that calls it."""
    with tempfile.TemporaryDirectory() as folder:
        # Coverage data of two builds at once must not meet, and `.env` names the live state.
        names = {"COVERAGE_FILE": str(Path(folder) / "coverage"), "RIDGELINE_ENV_FILE": os.devnull}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        try:
            done = subprocess.run(
                command.arguments,
                cwd=ROOT,
                env=kept | names,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired as error:
            return 124, [*_lines(error.stdout), f"{command.name} was ended after {TIMEOUT:.0f} s"]
        except OSError as error:
            return 127, [f"{command.arguments[0]} cannot be started: {error.strerror}"]
    return done.returncode, _lines(done.stdout)


def _lines(output: str | bytes | None) -> list[str]:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return text.splitlines()


def _examined(name: str) -> tuple[list[Row], list[str]]:
    """What each column of a recipe's sample holds, and what validation would say of it if it arrived."""
    from recipes import catalog

    recipe = catalog.load(name)
    frame = recipe.seed_data()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seed.csv"
        frame.to_csv(file, index=False)
        checked = Inspection(recipe, file.name, Path(folder) / "rows.arrow", None).read(file)
    findings = [str(finding) for finding in (*checked.broken, *checked.odd)]
    constant = [] if checked.broken else _constant(recipe, frame)
    return [_summary(frame[column]) for column in frame.columns], findings + constant


def _constant(recipe: Recipe, frame: pd.DataFrame) -> list[str]:
    learnt = (*recipe.features, recipe.target)
    flat = [name for name in learnt if frame[name].nunique(dropna=True) < 2]
    return [f"column {name!r}: never varies, so nothing can be learnt from it" for name in flat]


def _summary(column: pd.Series) -> Row:
    import pandas as pd

    counted: Row = {"column": str(column.name), "rows": len(column), "missing": int(column.isna().sum())}
    if not pd.api.types.is_numeric_dtype(column):
        return counted | {"distinct": int(column.nunique())}
    numbers = column.astype("float64")
    return counted | {name: f"{numbers.agg(name):.4g}" for name in ("mean", "std", "min", "max")}
