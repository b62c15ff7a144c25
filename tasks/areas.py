"""The areas of the storage: where batches land, and where they rest after validation, each beside its report.

No flow runs here, so that commands that only look or land do not wait for Prefect to be imported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from platforms.errors import NotFoundError
from platforms.selection import current
from platforms.values import Blob

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


def recipe_of(path: str, areas: Collection[str] = (LANDING,)) -> str | None:
    """The recipe below whose folder a path is, None if that is in none of these areas."""
    parts = PurePosixPath(path).parts
    return parts[1] if len(parts) > 2 and parts[0] in areas else None


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


def filed_batches(recipe: str, name: str = "") -> list[Mapping[str, Any]]:
    """The reports of all batches that were accepted, quarantined or found to be duplicates, oldest first.

    With the `name` that a file rests under, only those of that name are read.
    """
    storage = current().storage
    filed = {blob.path for area in AREAS.values() for blob in storage.list(f"{area}/{recipe}/")}
    ending = f"/{name}{REPORT}" if name else REPORT
    reports = [_report(path) for path in filed if path.endswith(ending) and path.removesuffix(REPORT) in filed]
    return sorted(reports, key=lambda report: str(report["time"]))


def report_of(blob: Blob) -> Mapping[str, Any] | None:
    """The report of this very arrival, None while it waits."""
    places = (resting_place(blob, state) for state in AREAS)
    return next((_report(f"{place}{REPORT}") for place in places if blob_at(place)), None)


def resting_place(blob: Blob, state: str) -> str:
    """`<area>/<recipe>/<digest of the arrival>/<name>`: two arrivals of one name never overwrite each other.

    A name so long that its report's would be too long for a file system loses its beginning.
    """
    digest = hashlib.sha256(batch_id(blob).encode()).hexdigest()[:12]
    return str(PurePosixPath(AREAS[state], *PurePosixPath(blob.path).parts[1:-1], digest, resting_name(blob.path)))


def resting_name(path: str) -> str:
    """The name under which a file that landed at a path rests."""
    return PurePosixPath(path).name.encode()[-LONGEST:].decode(errors="ignore")


def _report(path: str) -> Mapping[str, Any]:
    with current().storage.open(path) as stream:
        content = stream.read()
    report: dict[str, Any] = json.loads(content)
    return report
