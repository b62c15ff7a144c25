"""How fast and in how much memory the request log is shipped and read back: `python -m benchmarks.shipping`.

Writes segments as the scoring service does, with requests of one row of ten features, and measures each step in a
process of its own on one core: shipping to local storage, and `ridgeline log`. Memory is the peak of the resident
memory above what the imports take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

ROOT = Path(__file__).parents[1]
RECIPE: Final = "diabetes"
START: Final = datetime(2026, 1, 2, tzinfo=UTC)
CHUNK: Final = 10_000


@dataclass(frozen=True)
class Result:
    """Records, seconds, and memory in MB (10**6 bytes)."""

    records: int
    seconds: float
    baseline: float
    peak: float


def write_log(folder: Path, records: int) -> None:
    """Write this many records, a millisecond apart, to closed segments of the default size."""
    from scoring_service.request_log import LogRecord, RequestLog

    names = [f"x{number}" for number in range(10)]
    row_type = msgspec.defstruct("Row", [(name, float) for name in names])
    generator = np.random.default_rng(1)
    log = RequestLog.create(folder)
    for first in range(0, records, CHUNK):
        rows = generator.normal(0, 0.05, (CHUNK, len(names))).tolist()
        outputs = generator.uniform(25, 350, CHUNK).tolist()
        for number, (row, output) in enumerate(zip(rows, outputs, strict=True), first):
            when = START + timedelta(milliseconds=number)
            inputs = [row_type(*row)]
            log.extend(
                [LogRecord(f"{number:028x}", when, "prod", RECIPE, 3, "d" * 64, inputs, [output], 2.5e-5, "default")]
            )
    log.close()


def ship(state: Path) -> Result:
    """Ship all segments."""
    import pyarrow.parquet  # noqa: F401  the baseline is what the imports take

    from log_shipper import packing, records  # noqa: F401  as above
    from log_shipper.settings import Settings
    from log_shipper.shipper import Shipper
    from log_shipper.stopping import Stop
    from platforms.local.storage import LocalStorage

    storage = LocalStorage(state / "storage")
    shipper = Shipper(storage, Settings(log_dir=state / "traffic"), Stop())
    return _measured(lambda: shipper.round(), lambda: _stored(state))


def export(state: Path) -> Result:
    """Read everything back into one file, as `ridgeline log` does."""
    import pyarrow.dataset  # noqa: F401  the baseline is what the imports take
    import pyarrow.parquet as pq

    from cli.log import write
    from log_shipper import records  # noqa: F401  as above
    from tasks.feedback import logged_requests

    out = state / "log.parquet"

    def run() -> None:
        with out.open("wb") as file:
            write(file, logged_requests(RECIPE))

    return _measured(run, lambda: int(pq.read_metadata(out).num_rows))


STEPS: Final[dict[str, Callable[[Path], Result]]] = {"ship": ship, "export": export}


def measure(step: str, state: Path) -> Result:
    """One step in a process of its own, on one core, with the shipper's settings of Arrow."""
    from log_shipper.__main__ import FRUGAL

    command = [sys.executable, "-m", "benchmarks.shipping", "--step", step, "--state", str(state)]
    environment = {**os.environ, **FRUGAL, "RIDGELINE_STATE": str(state)}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Result(**json.loads(done.stdout))


def _measured(run: Callable[[], object], count: Callable[[], int]) -> Result:
    Path("/proc/self/clear_refs").write_text("5")
    baseline = _peak()
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    peak = _peak()
    return Result(count(), seconds, baseline, peak)


def _stored(state: Path) -> int:
    import pyarrow.parquet as pq

    files = (state / "storage").rglob("*.parquet")
    return sum(int(pq.read_metadata(file).num_rows) for file in files)


def _peak() -> float:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def _bytes(folder: Path, pattern: str) -> float:
    return sum(file.stat().st_size for file in folder.rglob(pattern)) / 1e6


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        os.sched_setaffinity(0, {0})
        print(json.dumps(asdict(STEPS[asked.step](asked.state))))
        return
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        write_log(state / "traffic" / RECIPE / "prod", asked.records)
        written = _bytes(state / "traffic", "*.jsonl")
        found = {step: measure(step, state) for step in STEPS}
        stored = _bytes(state / "storage", "*.parquet")
    print(f"{asked.records:,} records: {written:,.0f} MB of segments, {stored:,.0f} MB of Parquet, one core")
    for step, result in found.items():
        assert result.records == asked.records, f"{step}: {result.records} records"
        rate, memory = result.records / result.seconds, result.peak - result.baseline
        print(
            f"{step:7} {result.seconds:6.1f} s {rate:10,.0f} records/s   "
            f"{memory:4.0f} MB above the {result.baseline:.0f} MB of the imports"
        )


if __name__ == "__main__":
    main()
