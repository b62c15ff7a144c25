"""Create whatever lost events and killed runs have left undone."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks import reconciling
from tasks.archive import archived
from tasks.run import locked


@flow(name="reconcile", flow_run_name="{recipe}")
def reconcile(recipe: str = "diabetes") -> State:
    """Compare landing, table, registry, journal and endpoints, and start the missing runs.

    Ends `Consistent`, or `Repaired` with what it started.
    """
    with archived(recipe), locked(recipe, "reconcile"):
        runs = reconciling.create_missing_runs(recipe)
        restored = reconciling.restore_endpoints(recipe)
        if not (runs or restored):
            return Completed(name="Consistent", message="nothing is missing")
        done = [run.name for run in runs] + [f"{environment} endpoint" for environment in restored]
        return Completed(name="Repaired", message=f"under way: {', '.join(done)}")


if __name__ == "__main__":
    reconcile()
