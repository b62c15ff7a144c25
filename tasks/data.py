"""Batches on their way: accepted into the table and filed, or set aside in quarantine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import task

from platforms.errors import ConflictError, NotFoundError, PlatformError
from platforms.selection import current
from platforms.values import Blob, DatasetVersion
from tasks.areas import (
    AREAS,
    LANDING,
    REPORT,
    batch_id,
    blob_at,
    filed_batches,
    recipe_of,
    resting_name,
    resting_place,
)


@task
def find_batch(recipe: str, path: str) -> Blob | None:
    """The blob that waits, or that was set aside and is looked at again; None if there is none.

    Raises `PlatformError` for any other place: what is there is no batch, and must not be moved as one.
    """
    areas = (LANDING, AREAS["Quarantined"])
    if recipe_of(path, areas) != recipe:
        places = " or ".join(f"{area}/{recipe}/" for area in areas)
        raise PlatformError(f"{path!r} is no batch of {recipe}, which are in {places}: `ridgeline ingest` it")
    return blob_at(path)


@task
def accept_batch(recipe: str, blob: Blob, rows: Path | None) -> DatasetVersion:
    """Append the rows of an Arrow file in one commit; returns the version that the batch made, now or before."""
    datasets, me = current().datasets, batch_id(blob)
    if rows is not None and not datasets.contains(recipe, me):
        datasets.append(recipe, rows, me)
    return datasets.version(recipe, datasets.origin(recipe, me))


@task
def file_batch(blob: Blob, state: str) -> Blob | None:
    """Move a blob out of the landing folder to where its outcome belongs; what replaced it meanwhile stays."""
    try:
        return current().storage.move(blob, resting_place(blob, state))
    except ConflictError:
        return None


@task
def keep_report(blob: Blob, state: str, report: Mapping[str, object]) -> None:
    """Write the report where the blob will be: before the blob is moved there, so that every filed blob has one."""
    content = {"path": blob.path, "filed": resting_place(blob, state), "etag": blob.etag, **report}
    target = f"{resting_place(blob, state)}{REPORT}"
    current().storage.write(target, json.dumps(content, indent=2, allow_nan=False).encode())


@task
def filed_report(recipe: str, path: str) -> Mapping[str, Any]:
    """The newest report of a batch that landed at `path` and waits no more; raises `NotFoundError`."""
    mine = [report for report in filed_batches(recipe, resting_name(path)) if report["path"] == path]
    if mine:
        return mine[-1]
    raise NotFoundError(f"there is no blob {path!r}, and none was filed from there: `ridgeline ingest` it")


@task
def dataset_version(recipe: str, version: int | None = None) -> DatasetVersion:
    """Pin the named or newest dataset version; raises `NotFoundError` before the first accepted batch."""
    return current().datasets.version(recipe, version)
