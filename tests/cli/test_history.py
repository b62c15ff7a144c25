from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cli.main import main
from platforms.platform import Platform


@pytest.fixture
def journalled(platform: Platform) -> Platform:
    append = platform.journal.append
    append("diabetes", "registered", reason="first model", flow_run="f1", model_version=1, details={"candidate": 2.5})
    image = f"diabetes:1-abc@sha256:{'a' * 64}"
    append("diabetes", "released", reason="passed", flow_run="f2", model_version=1, environment="prod", image=image)
    return platform


@pytest.mark.usefixtures("journalled")
def test_the_document_has_every_entry_and_its_chain() -> None:
    done = CliRunner().invoke(main, ["history", "diabetes", "--json"])
    assert done.exit_code == 0, done.output
    first, second = json.loads(done.stdout)
    assert (first["action"], first["model_version"], first["image"]) == ("registered", 1, None)
    assert first["details"] == {"candidate": 2.5}
    assert (second["environment"], second["image"]) == ("prod", "diabetes:1-abc")
    assert second["previous"] == first["hash"]


@pytest.mark.usefixtures("journalled")
def test_the_table_tells_what_was_decided_and_why() -> None:
    done = CliRunner().invoke(main, ["history", "diabetes"])
    header, registered, released = done.stdout.splitlines()
    assert header.split() == ["time", "environment", "version", "action", "reason", "flow", "run"]
    assert registered.split()[2:] == ["-", "1", "registered", "first", "model", "f1"]
    assert released.split()[2:] == ["prod", "1", "released", "passed", "f2"]


def test_a_reason_of_many_lines_is_one_line_of_the_table(journalled: Platform) -> None:
    reason = f"replica 0 ended with 1; its last lines in log.txt:\n{'x' * 500}\nValueError"
    journalled.journal.append("diabetes", "rejected in qa", reason=reason, flow_run="f3", model_version=2)
    lines = CliRunner().invoke(main, ["history", "diabetes"]).stdout.splitlines()
    assert (len(lines), max(map(len, lines)) < 150) == (4, True)
    assert lines[-1].endswith("its last lines in log.txt: …  f3")
    document = json.loads(CliRunner().invoke(main, ["history", "diabetes", "--json"]).stdout)
    assert document[-1]["reason"] == reason


def test_a_recipe_that_is_not_there_is_named(platform: Platform) -> None:
    done = CliRunner().invoke(main, ["history", "wine"])
    assert done.exit_code != 0
    assert "wine" in done.output
