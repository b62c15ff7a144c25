"""The images that the container registries hold: by repository, tag and digest, each an unpacked context folder."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from tests.emulator.world import World


@dataclass(frozen=True)
class StoredImage:
    """One image; `digest` is `sha256:…` of its manifest, `context` what was built."""

    repository: str
    digest: str
    context: Path


class ImageStore:
    """Every image of one offline Azure. A tag may be written again, as in a real registry: `pushes` tells."""

    def __init__(self, world: World) -> None:
        self.folder = world.folder / "images"
        self.pushes: list[str] = []
        self._images: dict[str, StoredImage] = {}
        self._lock = threading.Lock()

    def add(self, registry: str, name: str, digest: str, context: Path) -> None:
        """Push an image under `<repository>:<tag>` and under its digest."""
        repository, _, tag = name.partition(":")
        image = StoredImage(repository, digest, context)
        with self._lock:
            self.pushes.append(f"{repository}:{tag}")
            for suffix in (f":{tag}", f"@{digest}"):
                self._images[f"{registry.lower()}.azurecr.io/{repository}{suffix}"] = image

    def purge(self, reference: str) -> Path:
        """Take an image away, with its digest and its tag; returns its context, which stays."""
        with self._lock:
            gone = self._images[reference]
            self._images = {name: image for name, image in self._images.items() if image != gone}
        return gone.context

    def locate(self, reference: str) -> Path | None:
        """The context of an image, by `<registry>.azurecr.io/<repository>@<digest>` or `:<tag>`."""
        with self._lock:
            found = self._images.get(reference)
        return found.context if found else None
