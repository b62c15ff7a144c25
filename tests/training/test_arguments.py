from __future__ import annotations

from pathlib import Path

import pytest

from tests.recipes import examples
from training import arguments
from training.errors import UsageError

RECIPE = examples.recipe(parameters={"alpha": 0.4, "depth": 3, "warm": False, "kind": "x"})
REQUIRED = ["--recipe", "r", "--dataset-version", "2", "--out", "o"]


def test_values_take_the_type_of_the_default() -> None:
    found = arguments.parameters(RECIPE, ["alpha=1", "depth=5", "warm=True", "kind=a=b"])
    assert found == {"alpha": 1.0, "depth": 5, "warm": True, "kind": "a=b"}
    assert isinstance(found["alpha"], float)
    assert arguments.parameters(RECIPE, []) == RECIPE.parameters


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("alpha=x", "'x' is no float"),
        ("alpha=nan", "'nan' is no float"),
        ("depth=1.5", "'1.5' is no int"),
        ("warm=maybe", "'maybe' is no bool"),
        ("alpha", "takes alpha=<float>, depth=<int>, warm=<bool>, kind=<str>"),
        ("beta=1", "recipe 'example' takes alpha"),
    ],
)
def test_what_the_recipe_does_not_take_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        arguments.parameters(RECIPE, [text])
    assert reason in str(caught.value)
    assert text in str(caught.value)


def test_a_recipe_without_parameters_says_so() -> None:
    with pytest.raises(UsageError, match="takes no parameter"):
        arguments.parameters(examples.recipe(), ["a=1"])


def test_the_table_is_below_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDGELINE_STATE", "/s")
    assert arguments.read(REQUIRED).table == "/s/tables/r"
    monkeypatch.delenv("RIDGELINE_STATE")
    found = arguments.read([*REQUIRED, "--param", "a=1", "--param", "b=2"])
    assert (found.table, found.parameters, found.out) == (".ridgeline/state/tables/r", ("a=1", "b=2"), Path("o"))
    assert arguments.read([*REQUIRED, "--table", "az://c/t"]).table == "az://c/t"


def test_a_wrong_command_line_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments.read(["--recipe", "r"])
    assert "--dataset-version" in capsys.readouterr().err
