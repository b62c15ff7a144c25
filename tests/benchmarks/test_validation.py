from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import validation


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_batch_of_many_chunks_is_checked_and_appended(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"batch{suffix}"
    validation.write_batch(path, 140_000, 140_000)
    found = validation.measure(path, tmp_path / "state", core=None)
    assert found.rows == 140_000
    assert min(found.check, found.append) > 0
    # The columns alone are 12 MB; what is held at once must stay far below a copy of a large batch.
    assert 0 < found.peak - found.baseline < 500


@pytest.mark.long
def test_five_million_rows_fit_into_500_mb(tmp_path: Path) -> None:
    path = tmp_path / "batch.parquet"
    validation.write_batch(path, 5_000_000, 5_000_000)
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    found = validation.measure(path, tmp_path / "state", core=None)
    assert found.rows == 5_000_000
    assert found.peak - found.baseline < 500
