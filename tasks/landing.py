"""Putting a local file where the listener finds it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from platforms.errors import PlatformError
from platforms.selection import current
from platforms.values import Blob
from tasks.areas import LANDING, blob_at, is_text


def land(source: Path, recipe: str) -> Blob:
    """Put a file into the recipe's landing folder at once and whole.

    The path holds the content's digest: the same file landed twice is one blob, and no file of the same name with
    other content is overwritten before it was validated. What still waits is left as it is: were it replaced when
    its rows are in the table and it is not filed yet, it would end as a duplicate of itself.
    """
    if not is_text(source.name):
        raise PlatformError(f"the name of the file {str(source)!r} is no UTF-8: rename it")
    with source.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:12]
    path = f"{LANDING}/{recipe}/{digest}/{source.name}"
    return blob_at(path) or current().storage.upload(source, path)
