"""Batches on their way: landed, then accepted into the table, or set aside in quarantine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from prefect import task

from platforms.errors import NotFoundError
from platforms.selection import current
from platforms.values import Blob, DatasetVersion

LANDING: Final = "landing"
AREAS: Final = {"Accepted": "accepted", "Quarantined": "quarantine", "Duplicate": "duplicate"}
"""Where a blob goes, by the end state of its validation."""
REPORT: Final = ".report.json"
LONGEST: Final = 255 - len(REPORT)
"""Bytes of a name beside which there is room for the report's."""


def batch_id(blob: Blob) -> str:
    """The identity of an arrival: its path and its etag, so that the same name with new content is a new batch."""
    return f"{blob.path}@{blob.etag}"


def blob_at(path: str) -> Blob | None:
    """The blob at a path, where it waits or rests; None if there is none."""
    try:
        return current().storage.stat(path)
    except NotFoundError:
        return None


def landed(recipe: str) -> list[Blob]:
    """The blobs of a recipe that wait and can be validated."""
    return [blob for blob in current().storage.list(f"{LANDING}/{recipe}/") if is_text(blob.path)]


def is_text(path: str) -> bool:
    """Whether a path can be told to others: a file system has names too that are no UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


@task
def find_batch(path: str) -> Blob | None:
    """The blob that waits, or None if there is none."""
    return blob_at(path)


@task
def accept_batch(recipe: str, blob: Blob, rows: Path | None) -> DatasetVersion:
    """Append the rows of an Arrow file in one commit; returns the version that the batch made, now or before."""
    datasets, me = current().datasets, batch_id(blob)
    if rows is not None and not datasets.contains(recipe, me):
        _append(recipe, rows, me)
    return datasets.version(recipe, datasets.origin(recipe, me))


@task
def file_batch(blob: Blob, state: str) -> Blob | None:
    """Move a blob out of the landing folder to where its outcome belongs; what replaced it meanwhile stays."""
    storage = current().storage
    if storage.stat(blob.path).etag != blob.etag:
        return None
    return storage.move(blob.path, resting_place(blob, state))


@task
def keep_report(blob: Blob, state: str, report: Mapping[str, object]) -> None:
    """Write the report where the blob will be: before the blob is moved there, so that every filed blob has one."""
    content = {"path": blob.path, "filed": resting_place(blob, state), "etag": blob.etag, **report}
    target = f"{resting_place(blob, state)}{REPORT}"
    current().storage.write(target, json.dumps(content, indent=2, allow_nan=False).encode())


def filed_batches(recipe: str) -> list[Mapping[str, Any]]:
    """The reports of all batches that were accepted, quarantined or found to be duplicates, oldest first."""
    storage = current().storage
    blobs = [blob for area in AREAS.values() for blob in storage.list(f"{area}/{recipe}/")]
    filed = {blob.path for blob in blobs}
    reports = [_report(path) for path in filed if path.removesuffix(REPORT) in filed - {path}]
    return sorted(reports, key=lambda report: str(report["time"]))


def report_of(blob: Blob) -> Mapping[str, Any] | None:
    """The report of this very arrival, None while it waits."""
    places = (resting_place(blob, state) for state in AREAS)
    return next((_report(f"{place}{REPORT}") for place in places if blob_at(place)), None)


@task
def filed_report(recipe: str, path: str) -> Mapping[str, Any]:
    """The newest report of a batch that landed at `path` and waits no more; raises `NotFoundError`."""
    mine = [report for report in filed_batches(recipe) if report["path"] == path]
    if mine:
        return mine[-1]
    raise NotFoundError(f"there is no blob {path!r}, and none was filed from there: `ridgeline ingest` it")


@task
def dataset_version(recipe: str, version: int | None = None) -> DatasetVersion:
    """Pin the named or newest dataset version; raises `NotFoundError` before the first accepted batch."""
    return current().datasets.version(recipe, version)


def resting_place(blob: Blob, state: str) -> str:
    """`<area>/<recipe>/<digest of the arrival>/<name>`: two arrivals of one name never overwrite each other.

    A name so long that its report's would be too long for a file system loses its beginning.
    """
    path = PurePosixPath(blob.path)
    name = path.name.encode()[-LONGEST:].decode(errors="ignore")
    digest = hashlib.sha256(batch_id(blob).encode()).hexdigest()[:12]
    return str(PurePosixPath(AREAS[state], *path.parts[1:-1], digest, name))


def _report(path: str) -> Mapping[str, Any]:
    with current().storage.open(path) as stream:
        content = stream.read()
    report: dict[str, Any] = json.loads(content)
    return report


def _append(recipe: str, rows: Path, me: str) -> None:
    import pyarrow as pa

    # A mapped file would count as memory of the process, so it is read.
    with pa.OSFile(str(rows)) as source:
        file = pa.ipc.open_file(source)
        batches = (file.get_batch(index) for index in range(file.num_record_batches))
        current().datasets.append(recipe, pa.RecordBatchReader.from_batches(file.schema, batches), me)
