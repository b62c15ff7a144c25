"""What the shipper does to the answers: `python -m benchmarks.serving.shipping`.

One service closes a segment every 4 MB, and one shipper moves them to local storage, whichever core it finds free.
In turn it is let run and held by SIGSTOP, so it always has a backlog while it runs. Medians of slices of a second.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.serving import material, ours
from benchmarks.serving.__main__ import HOME
from benchmarks.serving.load import Load, Told, apply
from benchmarks.serving.server import running
from platforms.settings import ROOT

LOADS: Final = (Load(1), Load(16), Load(64))
ROUNDS: Final = 9
SEGMENT_BYTES: Final = 4 * 1024 * 1024


def main() -> int:
    """Ask with and without the shipper, in turn; prints a table."""
    job = ours.train(HOME)
    material.write(HOME, job)
    ridgeline, _ = ours.servers(HOME, job, len(material.binary_head(1000)))
    with tempfile.TemporaryDirectory() as folder:
        log, state = Path(folder) / "log", Path(folder) / "state"
        log.mkdir()
        log_settings = {"SCORING_LOG_DIR": str(log), "SCORING_LOG_SEGMENT_BYTES": str(SEGMENT_BYTES)}
        peer = replace(ridgeline, environ={**ridgeline.environ, **log_settings})
        with running(peer, HOME) as server, _shipper(log, state) as shipper:
            apply(server, 0, Load(16), HOME)
            told: dict[tuple[Load, bool], list[Told]] = {
                (load, ships): [] for load in LOADS for ships in (False, True)
            }
            for _ in range(ROUNDS):
                for (load, ships), found in told.items():
                    shipper.send_signal(signal.SIGCONT if ships else signal.SIGSTOP)
                    found.append(apply(server, 0, load, HOME))
            shipper.send_signal(signal.SIGCONT)
        shipped = len([*state.rglob("*.parquet")])
    print(f"{shipped} segments were shipped meanwhile\n")
    print("| connections | answers/s without / with the shipper | p50 ms | p99 ms |")
    print("|---|---|---|---|")
    for load in LOADS:
        print(_row(load, told[load, False], told[load, True]))
    return 0


@contextmanager
def _shipper(log: Path, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "SHIPPER_LOG_DIR": str(log), "RIDGELINE_STATE": str(state)}
    command = [sys.executable, "-m", "log_shipper"]
    # In the session of the service, as the supervisor starts both: sessions are scheduled against each other.
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, process_group=0)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def _row(load: Load, without: list[Told], with_it: list[Told]) -> str:
    rates = [median(told.requests / told.seconds for told in each) for each in (without, with_it)]
    p50s = [median(told.p50 for told in each) for each in (without, with_it)]
    p99s = [median(told.p99 for told in each) for each in (without, with_it)]
    cells = [f"{rates[0]:,.0f} / {rates[1]:,.0f} ({rates[1] / rates[0]:.2f}x)"]
    cells += [f"{low:.2f} / {high:.2f}" for low, high in (p50s, p99s)]
    return f"| {load.connections} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
