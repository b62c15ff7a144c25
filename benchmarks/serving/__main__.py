"""Measure the scoring service beside its peers."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.serving import material, ours, results
from benchmarks.serving.load import LoadError
from benchmarks.serving.measure import LOADS, QUICK, measure
from benchmarks.serving.peers import PEERS, Peer
from benchmarks.serving.table import Table
from platforms.settings import ROOT

HOME: Final = ROOT / ".ridgeline" / "benchmarks" / "serving"
FILE: Final = "results.jsonl"


def main(argv: Sequence[str]) -> int:
    """Run what is asked for; returns the exit code."""
    asked = _arguments(argv)
    HOME.mkdir(parents=True, exist_ok=True)
    file = HOME / FILE
    if not asked.add and not asked.table:
        file.unlink(missing_ok=True)
    peers = _peers(HOME)
    if not asked.table:
        try:
            _measure(_chosen(peers, asked.only), asked, file)
        except LoadError as error:
            print(error, file=sys.stderr)
            return 1
    found = results.read(file)
    if asked.json:
        print(msgspec.json.encode(found).decode())
    else:
        print("\n".join(Table(peers, found).lines()))
    return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    add = parser.add_argument
    names = [peer.name for peer in PEERS]
    add("--only", nargs="+", metavar="PEER", choices=names, help=f"beside ours, only these of {', '.join(names)}")
    add("--rounds", type=int, default=4, help="how often each load is put on each server (default 4)")
    add("--quick", action="store_true", help="one round of the most telling loads")
    add("--add", action="store_true", help="add to the results of earlier runs instead of starting anew")
    add("--table", action="store_true", help="measure nothing, show the results of earlier runs")
    add("--json", action="store_true", help="print every result instead of the tables")
    return parser.parse_args(argv)


def _peers(home: Path) -> Sequence[Peer]:
    """Everything that can be compared, ours first; trains and packs our model."""
    job = ours.train(home)
    material.write(home, job)
    return (*ours.servers(home, job, len(material.binary_head(1000))), *PEERS)


def _chosen(peers: Sequence[Peer], only: Sequence[str] | None) -> Sequence[Peer]:
    return [peer for peer in peers if only is None or peer.kind == "ours" or peer.name in only]


def _measure(peers: Sequence[Peer], asked: argparse.Namespace, file: Path) -> None:
    loads, rounds = (QUICK, 1) if asked.quick else (LOADS, asked.rounds)
    for result in measure(peers, HOME, loads, rounds, lambda line: print(line, file=sys.stderr)):
        results.append(file, result)


if __name__ == "__main__":
    # Servers run in sessions of their own: whoever ends the benchmark must not leave them behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(sys.argv[1:]))
