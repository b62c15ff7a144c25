"""Make the one-time infrastructure of the platform, and publish the deployments that use it."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks import provisioning
from tasks.archive import archived

NAME = "provision"


@flow(name=NAME, flow_run_name=provisioning.place)
def provision() -> State:
    """Make whatever is missing or different, each resource after those that it needs.

    Ends `Provisioned` with what was made, `Complete` if everything was there already, or `Failed` with the resource
    that could not be made. What was made before stays, and the next run goes on from there.
    """
    with archived(NAME):
        changes = provisioning.plan()
        provisioning.report_plan(changes)
        done = [provisioning.bring_about(change) for change in provisioning.outstanding(changes)]
        if not provisioning.outstanding(done):
            return Completed(name="Complete", message=f"{len(changes)} resources are as they shall be")
        return Completed(name="Provisioned", message=f"{len(done)} of {len(changes)} resources were made or changed")


if __name__ == "__main__":
    import sys

    ended = provision(return_state=True)
    print(f"{ended.name}: {ended.message}")
    sys.exit(not ended.is_completed())
