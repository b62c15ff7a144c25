"""Scoring images of the local platform: read-only folders by digest, each with an environment of its own.

`<state>/images/<recipe>/<digest12>/` is the context, `<state>/envs/<hash>/` a virtual environment with exactly the
image's packages; images with equal requirements share one. Both appear whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from platforms import names
from platforms.errors import NotFoundError, PlatformError
from platforms.image_context import SHORT, image_of
from platforms.lines import unheard
from platforms.local.environments import environment, run
from platforms.settings import Settings
from platforms.values import Image

REQUIREMENTS: Final = "requirements.txt"
BUILD: Final = {"docker": "build", "buildah": "bud"}


class LocalImages:
    """Implements `ImageBuilder`."""

    def __init__(self, settings: Settings) -> None:
        self._engine = settings.image_engine
        self._images = settings.state_dir / "images"
        self._envs = settings.state_dir / "envs"

    def build(
        self, context: Path, recipe: str, model_version: int, on_line: Callable[[str], None] = unheard
    ) -> Image:
        """Keep the context and make its environment; raises `PlatformError` if it is not what its manifest says."""
        image = image_of(context, recipe, model_version)
        python = environment(self._envs, context / REQUIREMENTS)
        folder = self._folder(image)
        if not folder.exists():
            _keep(context, folder, python)
        if self._engine != "process":
            _build_oci(self._engine, folder, image.name, on_line)
        return image

    def exists(self, image: Image) -> bool:
        """Whether the image was built and still is there."""
        return self._folder(image).exists()

    def _folder(self, image: Image) -> Path:
        return self._images / names.checked("recipe", image.repository) / image.digest[:SHORT]

    def locate(self, image: str) -> tuple[Path, Path]:
        """Context folder and python of an image, by name, reference or digest; raises `NotFoundError`."""
        short = image.partition("@")[0].rpartition("-")[2][:SHORT]
        found = sorted(self._images.glob(f"*/{short}")) if len(short) == SHORT and short.isalnum() else []
        if not found:
            raise NotFoundError(f"there is no image {image} in {self._images}: release its version with `rebuild`")
        return found[0], environment(self._envs, found[0] / REQUIREMENTS)


def _keep(context: Path, folder: Path, python: Path) -> None:
    """Copy the context; only files become read-only, so that its owner can still delete the folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        copy = Path(temporary) / folder.name
        shutil.copytree(context, copy)
        run([str(python), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "scoring_service"], copy)
        for file in copy.rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o444)
        copy.chmod(0o755)
        try:
            os.rename(copy, folder)
        except OSError:
            if not folder.exists():
                raise


def _build_oci(engine: str, folder: Path, tag: str, on_line: Callable[[str], None]) -> None:
    binary = shutil.which(engine)
    if binary is None:
        raise PlatformError(
            f"{engine} is not installed, but RIDGELINE_IMAGE_ENGINE names it: install it or set `process`"
        )
    for line in run([binary, BUILD[engine], "--tag", tag, str(folder)], folder):
        on_line(line)
