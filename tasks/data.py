"""Batches on their way: landed, then accepted into the table, or set aside in quarantine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from prefect import task

from platforms.protocols import Blob, DatasetVersion
from platforms.selection import current

if TYPE_CHECKING:
    import pyarrow as pa

    from recipes.batches import Finding

LANDING: Final = "landing"
ACCEPTED: Final = "accepted"
QUARANTINE: Final = "quarantine"


def batch_id(blob: Blob) -> str:
    """The identity of an arrival: its path and its etag, so that the same name with new content is a new batch."""
    return f"{blob.path}@{blob.etag}"


def land(source: Path, recipe: str) -> Blob:
    """Put a local file into the recipe's landing folder, where the listener finds it."""
    return current().storage.upload(source, f"{LANDING}/{recipe}/{source.name}")


@task
def find_batch(path: str) -> Blob:
    """The landed blob; raises `NotFoundError`."""
    return current().storage.stat(path)


@task
def is_accepted(recipe: str, blob: Blob) -> bool:
    """Whether this very arrival is in the table already."""
    return current().datasets.contains(recipe, batch_id(blob))


@task
def accept_batch(recipe: str, blob: Blob, rows: pa.Table) -> DatasetVersion:
    """Append the rows in one commit under the arrival's identity; doing it twice appends once."""
    return current().datasets.append(recipe, rows.to_reader(), batch_id(blob))


@task
def file_batch(blob: Blob) -> Blob:
    """Move an accepted blob out of the landing folder; its content stays for lineage."""
    return current().storage.move(blob.path, _resting_place(blob, ACCEPTED))


@task
def quarantine_batch(recipe: str, blob: Blob, findings: Sequence[Finding]) -> Blob:
    """Set a bad blob aside with a JSON report of every finding beside it."""
    target = _resting_place(blob, QUARANTINE)
    report = {"recipe": recipe, "path": blob.path, "findings": [asdict(finding) for finding in findings]}
    current().storage.write(f"{target}.report.json", json.dumps(report, indent=2).encode())
    return current().storage.move(blob.path, target)


@task
def dataset_version(recipe: str, version: int | None = None) -> DatasetVersion:
    """Pin the named or newest dataset version; raises `NotFoundError` before the first accepted batch."""
    return current().datasets.version(recipe, version)


def _resting_place(blob: Blob, area: str) -> str:
    """`<area>/<recipe>/<digest of the arrival>/<name>`: two arrivals of one name never overwrite each other."""
    path = PurePosixPath(blob.path)
    digest = hashlib.sha256(batch_id(blob).encode()).hexdigest()[:12]
    return str(PurePosixPath(area, *path.parts[1:-1], digest, path.name))
