from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from platforms.local.storage import LocalStorage
from platforms.platform import Platform
from platforms.settings import Settings
from platforms.values import Blob
from tasks import areas
from tasks import data as tasks_data
from tests.platforms.contracts.datasets import append, batch


def test_before_the_first_batch_there_is_no_version(platform: Platform) -> None:
    done = CliRunner().invoke(main, ["data", "diabetes", "--json"])
    assert json.loads(done.stdout) == {"dataset_version": None, "rows": 0, "fingerprint": None, "batches": []}


def test_the_table_and_what_waits_are_told(platform: Platform) -> None:
    version = append(platform.datasets, "diabetes", batch(1.0, 2.0), "b1")
    platform.storage.write("landing/diabetes/a b.csv", b"age\n")
    document = json.loads(CliRunner().invoke(main, ["data", "diabetes", "--json"]).stdout)
    assert document == {
        "dataset_version": version.version,
        "rows": 2,
        "fingerprint": version.fingerprint,
        "batches": [{"path": "landing/diabetes/a b.csv", "state": "pending", "rows": None, "reason": ""}],
    }
    [head, waiting] = CliRunner().invoke(main, ["data", "diabetes"]).stdout.splitlines()
    assert head == f"dataset version {version.version}, 2 rows, fingerprint {version.fingerprint}"
    assert waiting.split() == ["pending", "-", "rows", "landing/diabetes/a", "b.csv"]


@pytest.mark.parametrize("first", ["landing/", "accepted/"])
def test_a_batch_that_is_filed_meanwhile_is_told_once(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """It is moved after the first look at one of its places."""
    blob = platform.storage.write("landing/diabetes/x.csv", b"age\n1\n")
    tasks_data.keep_report.fn(blob, "Accepted", {"state": "Accepted", "time": "now", "rows": 1, "reason": "good"})
    look = LocalStorage.list

    def look_and_move(self: LocalStorage, prefix: str) -> list[Blob]:
        found = look(self, prefix)
        if prefix.startswith(first):
            tasks_data.file_batch.fn(blob, "Accepted")
            monkeypatch.setattr(LocalStorage, "list", look)
        return found

    monkeypatch.setattr(LocalStorage, "list", look_and_move)
    [batch] = json.loads(CliRunner().invoke(main, ["data", "diabetes", "--json"]).stdout)["batches"]
    assert batch["path"] == blob.path


def test_a_name_that_is_no_text_is_told_as_far_as_it_can_be(platform: Platform, settings: Settings) -> None:
    folder = settings.state_dir / "storage" / "landing" / "diabetes"
    folder.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.csv")).touch()
    done = CliRunner().invoke(main, ["data", "diabetes"])
    assert (done.exit_code, done.stdout.splitlines()[-1].split(maxsplit=3)) == (
        0,
        ["pending", "-", "rows", "landing/diabetes/caf\\udce9.csv  its name is no UTF-8: rename it"],
    )


def test_a_refused_batch_is_shown_where_it_is_now(platform: Platform) -> None:
    blob = platform.storage.write("landing/diabetes/a b.csv", b"age\n")
    report = {"state": "Quarantined", "rows": None, "reason": "why", "time": "2026-01-31T12:00:00+00:00"}
    tasks_data.keep_report.fn(blob, "Quarantined", report)
    tasks_data.file_batch.fn(blob, "Quarantined")
    [told] = json.loads(CliRunner().invoke(main, ["data", "diabetes", "--json"]).stdout)["batches"]
    assert told == {"path": "landing/diabetes/a b.csv", "state": "quarantined", "rows": None, "reason": "why"}
    assert areas.resting_place(blob, "Quarantined") in CliRunner().invoke(main, ["data", "diabetes"]).stdout
