from __future__ import annotations

import dataclasses
import os
import shlex
import sys

import pandas as pd
import pytest
from prefect.client.schemas.objects import State

from platforms.settings import ROOT
from recipes import catalog
from recipes.recipe import Recipe
from tasks import checking
from tasks.checking import Command

Artifacts = dict[str, dict[str, object]]


@pytest.fixture(autouse=True)
def artifacts(monkeypatch: pytest.MonkeyPatch) -> Artifacts:
    """The artifacts that were made, by key."""
    made: Artifacts = {}

    def keep(content: object, key: str, description: str) -> None:
        made[key] = {"content": content, "description": description}

    monkeypatch.setattr(checking, "create_markdown_artifact", keep)
    monkeypatch.setattr(checking, "create_table_artifact", keep)
    return made


def run(code: str) -> State:
    return checking.run_command.fn(Command("unit-tests", (sys.executable, "-c", code)))


def sample(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> State:
    """The check of a recipe like diabetes with these seed rows."""
    recipe = dataclasses.replace(catalog.load("diabetes"), seed_data=lambda: frame)

    def load(_: str) -> Recipe:
        return recipe

    monkeypatch.setattr(catalog, "load", load)
    return checking.check_sample.fn("some_recipe")


def seed() -> pd.DataFrame:
    return catalog.load("diabetes").seed_data()


def test_a_command_that_ends_well_passes(artifacts: Artifacts) -> None:
    state = run("print('7 passed')")
    assert (state.is_completed(), state.message) == (True, "7 passed")
    text = str(artifacts["build-unit-tests"]["content"])
    assert text.startswith("**unit-tests passed** in ")
    assert "7 passed" in text


def test_a_failing_command_tells_its_last_lines_wherever_it_wrote_them(artifacts: Artifacts) -> None:
    state = run("import sys\nfor n in range(99): print(n, file=sys.stderr)\nsys.exit(5)")
    assert state.is_failed()
    assert str(state.message).splitlines() == ["ended with 5:", *map(str, range(84, 99))]
    assert artifacts["build-unit-tests"]["description"] == "unit-tests failed"


def test_output_that_is_not_text_is_no_obstacle() -> None:
    assert run("import sys\nsys.stdout.buffer.write(b'\\xff\\n')").message == "�"


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "TIMEOUT", 1.0)
    state = run("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    assert str(state.message).splitlines() == ["ended with 124:", "begun", "unit-tests was ended after 1 s"]


def test_a_command_that_is_not_there_fails() -> None:
    state = checking.run_command.fn(Command("style", ("/no/such/ruff", "check")))
    assert state.is_failed()
    assert "/no/such/ruff cannot be started: No such file or directory" in str(state.message)


def test_commands_do_not_see_the_live_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    live = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "RIDGELINE_STATE": "/live", "TMPDIR": "/live/" + 100 * "x"}
    for name, value in {**live, "UV_INDEX": "kept"}.items():
        monkeypatch.setenv(name, value)
    names = [*live, "UV_INDEX", "RIDGELINE_ENV_FILE"]
    state = run(f"import os\nprint(os.getcwd(), [os.environ.get(name) for name in {names}])")
    assert state.message == f"{ROOT} {[None, None, None, 'kept', os.devnull]}"


def test_the_usual_commands() -> None:
    found = {command.name: shlex.join(command.arguments[2:]) for command in checking.commands("tests/x -k y", 12.5)}
    assert list(found) == ["style", "format", "types", "unit-tests"]
    assert found["style"] == "ruff check ."
    assert found["format"] == "ruff format --check ."
    assert found["types"] == "mypy"
    assert found["unit-tests"].startswith("pytest tests/x -k y ")
    assert "--cov-fail-under=12.5" in found["unit-tests"]


def test_the_usual_tests_exist_and_leave_the_flows_own_out() -> None:
    folders = checking.UNIT_TESTS.split()
    assert all((ROOT / folder).is_dir() for folder in folders)
    assert not {"tests", "tests/flows"} & set(folders)


@pytest.mark.parametrize("recipe", catalog.names())
def test_every_recipe_s_sample_is_sane(recipe: str, artifacts: Artifacts) -> None:
    state = checking.check_sample.fn(recipe)
    assert state.is_completed(), state.message
    table = artifacts[f"build-sample-{recipe}"]["content"]
    assert isinstance(table, list)
    assert [row["column"] for row in table] == list(catalog.load(recipe).seed_data().columns)


def test_a_sample_that_breaks_the_schema_fails(monkeypatch: pytest.MonkeyPatch, artifacts: Artifacts) -> None:
    frame = seed()
    frame.loc[2, "age"] = 99.0
    state = sample(frame, monkeypatch)
    assert state.is_failed()
    assert "'age'" in str(state.message)
    assert "rows 3" in str(state.message)
    assert artifacts["build-sample-some-recipe"]["description"] == state.message


def test_a_sample_that_teaches_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = seed().head(4).assign(sex=0.01)
    state = sample(pd.concat([flat, flat]), monkeypatch)
    assert state.is_failed()
    assert state.message == (
        "has 8 rows, fewer than the 10 of a batch; "
        "4 of 8 rows repeat an earlier one (limit 50%) (rows 5, 6, 7, 8; 4 in all); "
        "column 'sex': never varies, so nothing can be learnt from it"
    )


def test_whatever_a_recipe_raises_is_its_outcome(artifacts: Artifacts) -> None:
    state = checking.check_sample.fn("gone")
    assert state.is_failed()
    assert str(state.message).startswith("RecipeError: there is no recipe 'gone'")
    assert artifacts["build-sample-gone"]["content"] == []


def test_numbers_and_texts_are_summed_up() -> None:
    numbers = checking._summary(pd.Series([1.0, 3.0, None], name="x"))
    expected = {"column": "x", "rows": 3, "missing": 1, "mean": "2", "std": "1.414", "min": "1", "max": "3"}
    assert numbers == expected
    texts = checking._summary(pd.Series(["a", "b", "a"], name="y"))
    assert texts == {"column": "y", "rows": 3, "missing": 0, "distinct": 2}
