"""Checks of a batch before any of its rows reaches the table."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from prefect import task

from platforms.errors import ConflictError
from platforms.selection import current
from platforms.values import Blob
from tasks.areas import batch_id
from tasks.inspection import Checked, Inspection
from training import outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recipes.findings import Finding
    from recipes.profile import Profile

TOLD: Final = 3
"""Findings that the one line of a run's state tells; the report has all of them."""
_LONG: Final = 240


@dataclass(frozen=True)
class Outcome:
    """How a validation ends. `version` is the dataset version that the batch made, None if it made none."""

    state: Literal["Accepted", "Quarantined", "Duplicate"]
    rows: int
    findings: tuple[Finding, ...]
    reason: str
    version: int | None = None


@task
def check_batch(recipe: str, blob: Blob, folder: Path) -> Checked:
    """Read a landed CSV or Parquet file once and hold all of it against schema, quality rules and champion.

    `folder` takes temporary files. Raises `ConflictError` if the blob changes while it is read.
    """
    from recipes import catalog

    what = catalog.load(recipe)
    copy = _copied(blob, folder / "blob")
    champion, profile = reference(recipe)
    return Inspection(what, blob.path, folder / "rows.arrow", profile, champion).read(copy)


@task
def judge(recipe: str, blob: Blob, checked: Checked, allow_shift: bool = False) -> Outcome:
    """What becomes of a checked batch; one that is in the table stays accepted, whatever the rules say today."""
    datasets, path, rows = current().datasets, blob.path, checked.rows
    if datasets.contains(recipe, batch_id(blob)):
        return Outcome("Accepted", rows, (), f"{path} is in the table")
    known = datasets.origin(recipe, checked.fingerprint) if checked.fingerprint else None
    if known is not None:
        return Outcome("Duplicate", rows, (), f"{path}: these very rows made dataset version {known}")
    findings = (*checked.broken, *checked.odd, *(() if allow_shift else checked.shifted))
    if findings:
        return Outcome("Quarantined", rows, findings, _told(path, findings))
    return Outcome("Accepted", rows, (), f"{path}: {rows} rows")


def _told(path: str, findings: Sequence[Finding]) -> str:
    texts = [str(finding) for finding in findings[:TOLD]]
    shown = "; ".join(text if len(text) <= _LONG else f"{text[:_LONG]}…" for text in texts)
    more = len(findings) - len(texts)
    return f"{path}: {shown}" + (f"; and {more} more" if more else "")


def _copied(blob: Blob, target: Path) -> Path:
    """A copy on this machine: what is checked is what is appended, and it is read at the disk's speed."""
    storage = current().storage
    with storage.open(blob.path) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    if storage.stat(blob.path).etag != blob.etag:
        raise ConflictError(f"{blob.path} changed while it was read: land files under a temporary name, then rename")
    return target


def reference(recipe: str) -> tuple[int | None, Profile | None]:
    """The champion and the profile of the rows that it was made from; older models may have none."""
    from recipes.profile import Profile

    registry = current().registry
    champion = registry.champion(recipe)
    if champion is None:
        return None, None
    file = registry.outputs(recipe, champion.version) / outputs.PROFILE
    if not file.is_file():
        return champion.version, None
    return champion.version, Profile.from_json(json.loads(file.read_bytes()))
