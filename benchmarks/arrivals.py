"""How long many batches take that land within a minute: `ridgeline up --detach && python -m benchmarks.arrivals`.

Prints seconds from the first file: until all rows are in the table, until the last retrain has judged them, and until
every registered model's release has ended; and how many runs of each flow that took.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterStartTime

from benchmarks import running
from platforms.selection import current
from recipes import catalog
from tasks import facts
from tasks.areas import LANDING

RECIPE: Final = "diabetes"
ROWS: Final = 40
"""Rows of a batch."""
LONGEST: Final = 1800.0
"""Seconds until the measurement is given up."""


def land(count: int, seconds: float) -> None:
    """Put so many batches of new content into the landing folder, evenly spread over the time."""
    seed = catalog.load(RECIPE).seed_data()
    stamp = datetime.now(UTC).strftime("%H%M%S")
    for number in range(count):
        rows = seed.sample(ROWS, random_state=number)
        rows = rows.assign(Y=rows["Y"] + (number + 1) / 1000 + time.time() % 1 / 1e6)
        buffer = io.StringIO()
        rows.to_csv(buffer, index=False)
        current().storage.write(f"{LANDING}/{RECIPE}/{stamp}/batch {number}.csv", buffer.getvalue().encode())
        time.sleep(seconds / count)


def wait(condition: Callable[[], bool], since: float) -> float:
    """Seconds from `since` until the condition holds; raises `TimeoutError`."""
    while not condition():
        if time.perf_counter() - since > LONGEST:
            raise TimeoutError(f"{condition.__name__} did not come about in {LONGEST:g} s")
        time.sleep(0.5)
    return time.perf_counter() - since


def judged() -> bool:
    """Whether the newest dataset version, or a later one, was judged."""
    return facts.judged_version(RECIPE) >= current().datasets.version(RECIPE).version


def concluded() -> bool:
    """Whether the release of every registered model has ended."""
    models = current().registry.versions(RECIPE)
    return all(facts.conclusion(RECIPE, model.version) for model in models)


def runs(since: datetime) -> Counter[str]:
    """Ended runs since then, by flow and end state."""
    with get_client(sync_client=True) as client:
        begun = FlowRunFilter(start_time=FlowRunFilterStartTime(after_=since))
        found = client.read_flow_runs(flow_run_filter=begun, limit=200)
        flows = {flow.id: flow.name for flow in client.read_flows()}
    return Counter(f"{flows[run.flow_id]} {run.state_name}" for run in found)


def main() -> None:
    """Land, wait, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=50.0, help="time over which they land")
    asked = running.parsed(parser)
    begun, start = datetime.now(UTC), time.perf_counter()
    wanted = current().datasets.version(RECIPE).rows + int(asked.batches) * ROWS
    land(asked.batches, asked.seconds)

    def arrived() -> bool:
        return current().datasets.version(RECIPE).rows >= wanted

    for condition in (arrived, judged, concluded):
        print(f"{condition.__name__:10} {wait(condition, start):6.1f} s", flush=True)
    for name, count in sorted(runs(begun).items()):
        print(f"{count:5} {name}")


if __name__ == "__main__":
    main()
