"""One landed blob becomes an accepted batch of the recipe's table, or goes to quarantine with a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from platforms.values import Blob
from tasks import data, quality, reporting, validation_report
from tasks.archive import archived
from tasks.quality import Outcome
from tasks.run import DATASET, locked, tag_run
from tasks.scratch import scratch


@flow(name="validate-data", flow_run_name="{recipe}: {path}")
def validate_data(path: str, recipe: str = "diabetes", allow_shift: bool = False) -> State:
    """Check a batch and append it to the table.

    Ends `Accepted`, `Quarantined`, or `Duplicate` if the table has these very rows from another arrival; a good batch
    emits `ridgeline.data.accepted`, which starts a retrain. `allow_shift` takes a batch whose distribution is not the
    champion's: for a person who looked at it. Killed at any point and run again, it ends as it would have: the blob
    is moved last, and a blob that was moved has its outcome beside it.
    """
    with archived(recipe), locked(recipe, "data"), scratch() as folder:
        blob = data.find_batch(recipe, path)
        if blob is None:
            outcome = validation_report.outcome_of(data.filed_report(recipe, path))
        else:
            outcome = _validate(recipe, blob, folder, allow_shift)
            data.file_batch(blob, outcome.state)
        if outcome.version is not None:
            tag_run(DATASET, outcome.version)
        return Completed(name=outcome.state, message=outcome.reason)


def _validate(recipe: str, blob: Blob, folder: Path, allow_shift: bool) -> Outcome:
    checked = quality.check_batch(recipe, blob, folder)
    outcome = quality.judge(recipe, blob, checked, allow_shift)
    version = data.accept_batch(recipe, blob, checked.spool) if outcome.state == "Accepted" else None
    if version:
        reason = f"dataset version {version.version} with {version.rows} rows"
        outcome = replace(outcome, version=version.version, reason=reason)
    data.keep_report(blob, outcome.state, validation_report.as_json(recipe, checked, outcome))
    if version:
        reporting.announce_data(version)
    reporting.report_validation(recipe, blob, checked, outcome)
    return outcome


if __name__ == "__main__":
    import sys

    validate_data(sys.argv[1])
