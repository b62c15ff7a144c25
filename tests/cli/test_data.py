from __future__ import annotations

import json

from click.testing import CliRunner

from cli.main import main
from platforms.platform import Platform
from tests.platforms.contracts.datasets import batch


def test_before_the_first_batch_there_is_no_version(platform: Platform) -> None:
    done = CliRunner().invoke(main, ["data", "diabetes", "--json"])
    assert json.loads(done.stdout) == {"dataset_version": None, "rows": 0, "fingerprint": None, "batches": []}


def test_the_table_and_what_waits_are_told(platform: Platform) -> None:
    version = platform.datasets.append("diabetes", batch(1.0, 2.0), "b1")
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
