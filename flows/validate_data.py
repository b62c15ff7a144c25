"""One landed blob becomes an accepted batch of the recipe's table, or goes to quarantine with a report."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks import data, quality, reporting
from tasks.run import DATASET, archived, locked, tag_run


@flow(name="validate-data", flow_run_name="{recipe}: {path}")
def validate_data(path: str, recipe: str = "diabetes") -> State:
    """Check a batch and append it to the table.

    Ends `Accepted`, `Quarantined` or, for an arrival that is in the table already, `Duplicate`; a good batch
    emits `ridgeline.data.accepted`, which starts a retrain.
    """
    with archived(recipe), locked(recipe, "data"):
        blob = data.find_batch(path)
        if data.is_accepted(recipe, blob):
            data.file_batch(blob)
            return Completed(name="Duplicate", message=f"{path} is in the table already")
        checked = quality.check_batch(recipe, blob)
        if checked.rows is None:
            data.quarantine_batch(recipe, blob, checked.findings)
            reporting.report_quarantine(recipe, blob, checked.findings)
            return Completed(name="Quarantined", message="; ".join(str(finding) for finding in checked.findings))
        version = data.accept_batch(recipe, blob, checked.rows)
        data.file_batch(blob)
        tag_run(DATASET, version.version)
        reporting.announce_data(version)
        return Completed(name="Accepted", message=f"dataset version {version.version} with {version.rows} rows")


if __name__ == "__main__":
    import sys

    validate_data(sys.argv[1])
