from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prefect.states import Completed

from cli import services
from cli.main import main
from platforms.errors import PlatformError
from platforms.platform import Platform
from tasks import landing
from tests.cli.scripted import Script, accepted, entry, failed, run_of


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "my rows.csv"
    file.write_text("age\n1\n")
    return file


@pytest.fixture(autouse=True)
def _running(monkeypatch: pytest.MonkeyPatch, platform: Platform) -> None:
    monkeypatch.setattr(services, "adopt_running", lambda: None)


def ingest(file: Path, *options: str, recipe: str = "diabetes") -> Result:
    return CliRunner().invoke(main, ["ingest", str(file), "--recipe", recipe, *options])


def follow(file: Path) -> tuple[int, dict[str, object]]:
    """Exit code and document of a followed file."""
    done = ingest(file, "--wait", "--json")
    document: dict[str, object] = json.loads(done.stdout)
    return done.exit_code, document


def outcomes(document: dict[str, object]) -> list[str]:
    stages = document["stages"]
    assert isinstance(stages, list)
    return [stage["outcome"] for stage in stages]


def test_a_file_lands_and_nobody_waits(rows: Path, platform: Platform) -> None:
    done = ingest(rows)
    [blob] = platform.storage.list("landing/diabetes/")
    assert (done.exit_code, done.output) == (0, f"landed {blob.path}\n")
    document = json.loads(ingest(rows, "--json").stdout)
    assert document == {"recipe": "diabetes", "path": blob.path, "state": "pending", "stages": []}


@pytest.mark.parametrize(("name", "code"), [("Accepted", 0), ("Duplicate", 0), ("Quarantined", 2)])
def test_the_batch_decides_the_exit_code(rows: Path, script: Script, name: str, code: int) -> None:
    script.attempts = [run_of(Completed(name=name, message="why"))]
    done, document = follow(rows)
    assert (done, document["state"], outcomes(document)) == (code, name.lower(), [name])
    assert "error" not in document


def test_a_candidate_that_is_not_better_is_no_failure(rows: Path, script: Script) -> None:
    script.attempts, script.entries = [accepted(2)], [entry("rejected", data=2)]
    code, document = follow(rows)
    assert (code, outcomes(document)) == (0, ["Accepted", "NotPromoted"])


def test_a_failed_release_is_exit_code_1_with_all_stages(rows: Path, script: Script) -> None:
    script.attempts = [accepted(2)]
    script.entries = [entry("registered", 5, data=2), entry("rejected in qa", 5, "qa")]
    done = ingest(rows, "--wait", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (document["state"], outcomes(document)) == ("accepted", ["Accepted", "Registered", "rejected in qa"])
    assert "model version 5 of diabetes was rejected in qa" in document["error"]
    assert "Error" not in done.stderr
    assert "model version 5" not in done.output.rpartition("}")[2]


def test_a_failed_flow_is_exit_code_1(rows: Path, script: Script) -> None:
    script.attempts = [accepted(2)]
    script.then = [lambda: script.others.append(failed(at_least=2))]
    code, document = follow(rows)
    assert (code, outcomes(document)) == (1, ["Accepted"])
    assert document["error"] == "run a run ended Failed: singular matrix"


def test_a_file_that_cannot_be_read_is_told_in_the_document(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(rows))

    monkeypatch.setattr(landing, "land", refuse)
    code, document = follow(rows)
    assert (code, document["path"]) == (1, None)
    assert document["error"] == f"{rows} cannot be landed: [Errno 13] Permission denied: '{rows}'"


def test_without_json_a_failure_is_told_once_on_stderr(rows: Path, script: Script) -> None:
    script.attempts = [accepted(2)]
    script.then = [lambda: script.others.append(failed(at_least=2))]
    done = ingest(rows, "--wait")
    assert (done.exit_code, done.stderr) == (1, "Error: run a run ended Failed: singular matrix\n")


def test_what_cannot_begin_is_told_in_the_document_too(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PlatformError("nothing runs")

    monkeypatch.setattr(services, "adopt_running", refuse)
    code, document = follow(rows)
    assert (code, document["path"], document["error"]) == (1, None, "nothing runs")
    assert follow(rows.with_name("no.csv"))[1]["error"] == f"there is no file {rows.with_name('no.csv')}"
    done = ingest(rows, "--json", recipe="wine")
    assert (done.exit_code, done.stderr) == (1, "")
    assert json.loads(done.stdout)["error"].startswith("there is no recipe wine")
