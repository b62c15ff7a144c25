from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from platforms.delta import DeltaStore
from platforms.errors import NotFoundError, PlatformError
from platforms.fingerprint import Fingerprint
from platforms.protocols import DatasetStore
from platforms.values import DatasetVersion


def batch(*values: float, chunk: int = 1000) -> pa.RecordBatchReader:
    """A batch of rows with a number and a text, in chunks of at most `chunk` rows."""
    return pa.table({"x": list(values), "t": [str(value) for value in values]}).to_reader(max_chunksize=chunk)


def spooled(file: Path, rows: pa.RecordBatchReader) -> Path:
    """Rows as the Arrow file that a batch is."""
    with pa.ipc.new_file(file, rows.schema) as writer:
        for chunk in rows:
            writer.write_batch(chunk)
    return file


def append(datasets: DatasetStore, recipe: str, rows: pa.RecordBatchReader, batch_id: str) -> DatasetVersion:
    """Append rows as a batch."""
    with TemporaryDirectory() as folder:
        return datasets.append(recipe, spooled(Path(folder, "rows.arrow"), rows), batch_id)


def arrived(datasets: DatasetStore, recipe: str, version: int | None = None) -> list[tuple[int, int, float]]:
    """Version, row and value of every row, in the order of arrival."""
    rows = [row for part in stored(datasets, recipe, version) for row in part.to_pylist()]
    return sorted((row["_version"], row["_row"], row["x"]) for row in rows)


def stored(datasets: DatasetStore, recipe: str, version: int | None = None) -> Iterator[pa.RecordBatch]:
    """All rows of a version of the table, with `_version` and `_row`."""
    assert isinstance(datasets, DeltaStore)
    table = DeltaTable(datasets.location(recipe), version, storage_options=datasets._options())
    yield from table.to_pyarrow_dataset().to_batches()


class DatasetsContract:
    """Needs a fixture `datasets` that starts empty."""

    def test_each_batch_is_a_version(self, datasets: DatasetStore) -> None:
        first = append(datasets, "r", batch(1.0, 2.0, 3.0, chunk=2), "b1")
        second = append(datasets, "r", batch(4.0), "b2")
        assert second.version > first.version
        assert (first.rows, second.rows) == (3, 4)
        assert datasets.version("r") == second
        assert datasets.version("r", first.version) == first
        v1, v2 = first.version, second.version
        assert arrived(datasets, "r") == [(v1, 0, 1.0), (v1, 1, 2.0), (v1, 2, 3.0), (v2, 0, 4.0)]
        assert arrived(datasets, "r", v1) == [(v1, 0, 1.0), (v1, 1, 2.0), (v1, 2, 3.0)]

    def test_a_known_batch_appends_nothing(self, datasets: DatasetStore) -> None:
        assert not datasets.contains("r", "b1")
        first = append(datasets, "r", batch(1.0), "b1")
        assert append(datasets, "r", batch(9.0, 9.0), "b1") == first
        assert datasets.contains("r", "b1")
        assert not datasets.contains("r", "b2")

    def test_rows_that_were_accepted_as_a_whole_append_nothing(self, datasets: DatasetStore) -> None:
        first = append(datasets, "r", batch(1.0, 2.0), "b1")
        second = append(datasets, "r", batch(2.0), "b2")
        assert append(datasets, "r", batch(2.0, 1.0, chunk=1), "b3") == second
        assert datasets.version("r") == second
        assert append(datasets, "r", batch(1.0, 2.0, 2.0), "b4").rows == 6
        assert datasets.origin("r", "b1") == datasets.origin("r", first.fingerprint) == first.version
        assert datasets.origin("r", "b2") == second.version
        assert datasets.origin("r", "b3") is None
        assert datasets.origin("none", "b1") is None

    def test_equal_rows_have_equal_fingerprints_whatever_their_way(self, datasets: DatasetStore) -> None:
        append(datasets, "r", batch(1.0, 2.0), "b1")
        found = append(datasets, "r", batch(3.0, 2.0), "b2").fingerprint
        assert append(datasets, "s", batch(2.0, 3.0, 2.0, 1.0, chunk=1), "z").fingerprint == found
        assert append(datasets, "t", batch(2.0, 3.0, 1.0), "z").fingerprint != found
        counted = sum((Fingerprint.of(rows) for rows in stored(datasets, "r")), Fingerprint())
        assert str(counted) == found

    def test_what_is_not_there_is_named(self, datasets: DatasetStore) -> None:
        with pytest.raises(NotFoundError, match="'r' has no batch yet"):
            datasets.version("r")
        append(datasets, "r", batch(1.0), "b1")
        for version in (-1, 0, 99):
            with pytest.raises(NotFoundError, match=f"'r' has no version {version}"):
                datasets.version("r", version)

    def test_rows_that_do_not_fit_append_nothing(self, datasets: DatasetStore) -> None:
        before = append(datasets, "r", batch(1.0), "b1")
        with pytest.raises(PlatformError, match="does not fit the table"):
            append(datasets, "r", pa.table({"other": [1]}).to_reader(), "b2")
        with pytest.raises(PlatformError, match="no rows"):
            append(datasets, "r", batch(), "b3")
        assert datasets.version("r") == before
        assert not datasets.contains("r", "b2")

    def test_of_racing_writers_every_batch_lands_once(self, datasets: DatasetStore) -> None:
        numbers = [0, 1, 2, 3, 9, 9, 9, 9]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: append(datasets, "r", batch(-1.0, number), f"b{number}"), numbers))
        rows = arrived(datasets, "r")
        assert len(rows) == 10
        assert len({version for version, _, _ in rows}) == 5
        assert datasets.version("r").rows == 10
