"""What a scoring image is on every platform: a context folder, addressed by the digest of its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from platforms.errors import PlatformError
from platforms.values import Image
from scoring_service.context import MANIFEST, ContextError, Manifest

SHORT: Final = 12
"""Digits of a digest that name an image."""


def image_of(context: Path, recipe: str, model_version: int) -> Image:
    """The image that a context folder becomes; raises `PlatformError` where manifest and files differ."""
    digest = digest_of(context)
    return Image(f"{recipe}:{model_version}-{digest[:SHORT]}", digest)


def digest_of(context: Path) -> str:
    """The sha256 (hex) of all paths and contents; raises `PlatformError` where manifest and files differ."""
    try:
        manifest = Manifest.read(context)
        manifest.verify(context)
    except ContextError as error:
        raise PlatformError(f"image context {context}: {error}") from error
    files = {file.relative_to(context).as_posix() for file in context.rglob("*") if not file.is_dir()}
    unlisted = sorted(files - manifest.files.keys() - {MANIFEST})
    if unlisted:
        raise PlatformError(f"image context {context}: {unlisted} are not in {MANIFEST}, so the digest misses them")
    return hashlib.sha256(json.dumps(manifest.files, sort_keys=True).encode()).hexdigest()
