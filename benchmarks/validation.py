"""How fast and in how much memory a large batch is validated and appended: `python -m benchmarks.validation`.

Writes a Parquet file of random floats, or a CSV, with the diabetes recipe's columns, and measures in a process of its
own on one core: rows per second of the check (read, validate, hash, count, compare, spool) and of the append, and the
peak of resident memory above what the imports take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).parents[1]
RECIPE = "diabetes"
_CHUNK = 500_000


@dataclass(frozen=True)
class Result:
    """Seconds of both steps, and memory in MB (10**6 bytes)."""

    rows: int
    check: float
    append: float
    baseline: float
    peak: float


def write_batch(path: Path, rows: int, row_group: int) -> None:
    """Write honest rows; in Parquet, `row_group` of them form a row group."""
    from pyarrow import csv, parquet

    parts = (_rows(min(_CHUNK, rows - start), start) for start in range(0, rows, _CHUNK))
    first = next(parts)
    if path.suffix == ".csv":
        with csv.CSVWriter(path, first.schema) as writer:
            for part in (first, *parts):
                writer.write_table(part)
        return
    with parquet.ParquetWriter(path, first.schema) as writer:
        held = [first]
        for part in parts:
            if sum(map(len, held)) >= row_group:
                writer.write_table(pa.concat_tables(held), row_group_size=row_group)
                held = []
            held.append(part)
        writer.write_table(pa.concat_tables(held), row_group_size=row_group)


def measure(path: Path, state: Path, core: int | None = 0) -> Result:
    """Validate and append the file in a process of its own, on one core or on all."""
    command = [sys.executable, "-m", "benchmarks.validation", "--measure", str(path)]
    command += [] if core is None else ["--core", str(core)]
    environment = {**os.environ, "RIDGELINE_STATE": str(state)}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Result(**json.loads(done.stdout))


def _rows(count: int, seed: int) -> pa.Table:
    from recipes import catalog

    generator = np.random.default_rng(seed)
    recipe = catalog.load(RECIPE)
    columns = {name: generator.normal(0, 0.04, count).clip(-0.29, 0.29) for name in recipe.features}
    return pa.table({**columns, recipe.target: generator.uniform(25, 350, count)})


def _measured(path: Path) -> Result:
    import deltalake  # noqa: F401  the baseline is what the imports take
    import matplotlib.figure  # noqa: F401  as above
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401  as above

    from platforms.values import Blob
    from recipes import batches, catalog, profile, shift  # noqa: F401  as above
    from tasks import data, inspection, reporting  # noqa: F401  as above

    recipe = catalog.load(RECIPE)
    reference = profile.Profile.of(recipe, _rows(442, 1).to_batches()[0])
    Path("/proc/self/clear_refs").write_text("5")
    baseline = _peak()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        checked = inspection.Inspection(recipe, path.name, Path(folder, "rows.arrow"), reference).read(path)
        middle = time.perf_counter()
        assert checked.spool, checked.broken
        data.accept_batch.fn(RECIPE, Blob(path.name, 0, ""), checked.spool)
        end = time.perf_counter()
    return Result(checked.rows, middle - start, end - middle, baseline, _peak())


def _peak() -> float:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--row-group", type=int, default=1_000_000)
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        if asked.core is not None:
            os.sched_setaffinity(0, {asked.core})
        print(json.dumps(asdict(_measured(asked.measure))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"batch.{asked.format}")
        write_batch(path, asked.rows, asked.row_group)
        found = measure(path, Path(folder, "state"))
        size = path.stat().st_size / 1e6
    print(f"{found.rows:,} rows of 11 floats, {asked.format} of {size:,.0f} MB, one core")
    print(f"check   {found.check:6.1f} s  {found.rows / found.check:12,.0f} rows/s")
    print(f"append  {found.append:6.1f} s  {found.rows / found.append:12,.0f} rows/s")
    print(f"memory  {found.peak - found.baseline:6.0f} MB above the {found.baseline:.0f} MB of the imports")


if __name__ == "__main__":
    main()
