"""How long the loop takes on running services: `ridgeline up --detach && python -m benchmarks.loop`.

Prints seconds: from an emitted event to the running flow, and for a whole retrain with its release (forced, so that
it is released whatever the verdict).
"""

from __future__ import annotations

import argparse
import statistics
import time

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from benchmarks import running
from cli.chain import Follower
from platforms.selection import current
from tasks.reporting import announce_data
from tasks.starting import start_retrain

RECIPE = "diabetes"


def event_to_running() -> float:
    """Seconds from an accepted-data event to the start of the retrain that it triggers."""
    known = {run.id for run in _retrains()}
    announce_data.fn(current().datasets.version(RECIPE))
    emitted = time.time()
    while True:
        for run in _retrains():
            if run.id not in known and run.start_time:
                return run.start_time.timestamp() - emitted
        time.sleep(0.05)


def retrain_and_release() -> float:
    """Seconds from asking for a retrain to its model answering in production."""
    started = time.perf_counter()
    run = start_retrain(RECIPE, {"force": True, "reason": "benchmark"})
    Follower(RECIPE, lambda line: None, 300).retrain(run)
    return time.perf_counter() - started


def _retrains() -> list[FlowRun]:
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])))


def _wait_idle() -> None:
    """Wait until no retrain is under way; those that a schedule will start some day have no start time."""
    while any(run.start_time and run.state and not run.state.is_final() for run in _retrains()):
        time.sleep(0.2)


def main() -> None:
    """Run both measurements some times and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = running.parsed(parser).rounds
    for measure in (event_to_running, retrain_and_release):
        figures = []
        for _ in range(rounds):
            figures.append(measure())
            _wait_idle()
        shown = ", ".join(f"{figure:.1f}" for figure in figures)
        print(f"{measure.__name__:22} median {statistics.median(figures):5.1f} s   ({shown})")


if __name__ == "__main__":
    main()
