"""How long `ridgeline demo` takes in a clone that `make setup` has prepared: `python -m benchmarks.demo`."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from platforms.settings import ROOT


def main() -> int:
    """Run the demo some times; prints seconds and their median, and fails as the demo does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    seconds = []
    for _ in range(parser.parse_args().rounds):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "cli.main", "demo"], cwd=ROOT, stdout=subprocess.DEVNULL)
        if done.returncode:
            return done.returncode
        seconds.append(time.perf_counter() - start)
    print(f"demo: {', '.join(f'{each:.1f}' for each in seconds)} s, median {statistics.median(seconds):.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
