from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from platforms import delta as module
from platforms import races
from platforms.delta import DeltaStore
from platforms.errors import ConflictError, PlatformError
from tests.platforms.contracts.datasets import DatasetsContract, append, arrived, batch, spooled


class TestDeltaStore(DatasetsContract):
    @pytest.fixture
    def datasets(self, tmp_path: Path) -> DeltaStore:
        return DeltaStore(tmp_path / "tables")


SCRIPT = """
import sys
from platforms.delta import DeltaStore
from tests.platforms.contracts.datasets import append, batch
store = DeltaStore(sys.argv[1])
for name in ("a", "b", "c"):
    append(store, "r", batch(float(sys.argv[2]), ord(name)), f"{sys.argv[2]}-{name}")
    append(store, "r", batch(1000.0 + ord(name)), f"same-{name}")
"""


def test_processes_at_once_land_every_batch_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    started = [subprocess.Popen([*command, str(number)], cwd=Path(__file__).parents[2]) for number in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    store = DeltaStore(tmp_path)
    assert sorted(row[2] for row in arrived(store, "r") if row[2] >= 1000) == [1000.0 + ord(name) for name in "abc"]
    assert len(arrived(store, "r")) == store.version("r").rows == 15
    assert {version for version, _, _ in arrived(store, "r")} == set(range(1, 10))


def test_batches_are_known_after_a_checkpoint_and_without_the_log(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path)
    append(store, "r", batch(1.0), "b1")
    version = append(store, "r", batch(2.0), "b2")
    DeltaTable(store.location("r")).create_checkpoint()
    for number in (0, 1):
        (tmp_path / "r" / "_delta_log" / f"{number:020}.json").unlink()
    assert store.contains("r", "b1")
    assert append(store, "r", batch(1.0), "b1") == version


def test_another_programs_commit_is_counted_anew(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path)
    append(store, "r", batch(1.0), "b1")
    foreign = batch(2.0).read_all().append_column("_version", pa.array([2])).append_column("_row", pa.array([0]))
    write_deltalake(store.location("r"), foreign, mode="append")
    DeltaTable(store.location("r")).optimize.compact()
    found = store.version("r")
    assert (found.version, found.rows) == (3, 2)
    assert found.fingerprint == append(store, "s", batch(1.0, 2.0), "b").fingerprint
    assert append(store, "r", batch(3.0), "b2").rows == 3


def test_a_batch_that_always_loses_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(races, "ATTEMPTS", 2)
    monkeypatch.setattr(DeltaStore, "_commit", lambda *_: False)
    with pytest.raises(ConflictError, match="2 attempts lost"):
        append(DeltaStore(tmp_path), "r", batch(1.0), "b")


def test_no_copy_of_a_batch_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stay for ever if the process were killed."""
    rows = spooled(tmp_path / "rows.arrow", batch(1.0))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert DeltaStore(tmp_path / "tables").append("r", rows, "b").rows == 1


def test_arrival_is_counted_over_all_parts_of_a_batch(tmp_path: Path) -> None:
    rows = spooled(tmp_path / "rows.arrow", batch(1.0, 2.0, 3.0, chunk=2))
    numbered = module._numbered(module._counted(rows), 7).read_all()
    assert numbered["_version"].to_pylist() == [7, 7, 7]
    assert numbered["_row"].to_pylist() == [0, 1, 2]


def test_the_loser_of_a_race_to_create_takes_the_winners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DeltaStore(tmp_path)
    append(store, "r", batch(1.0), "b1")
    look = DeltaStore._open
    answers = iter([None])
    monkeypatch.setattr(DeltaStore, "_open", lambda self, recipe: next(answers, look(self, recipe)))
    assert store._created("r", batch(1.0).schema).version() == 1


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path)
    append(store, "r", batch(1.0), "b1")
    (tmp_path / "r" / "_delta_log" / f"{0:020}.json").write_text("garbage")
    with pytest.raises(PlatformError, match=r"table .*/r cannot be read"):
        store.contains("r", "b1")
    (tmp_path / "file").write_text("")
    with pytest.raises(PlatformError, match=r"table .*/file cannot be"):
        append(store, "file", batch(1.0), "b1")


def test_history_is_kept_for_ever(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path)
    append(store, "r", batch(1.0), "b1")
    configuration = DeltaTable(store.location("r")).metadata().configuration
    assert set(configuration.values()) == {"interval 36500 days"}
    assert set(configuration) == {
        "delta.setTransactionRetentionDuration",
        "delta.logRetentionDuration",
        "delta.deletedFileRetentionDuration",
    }
