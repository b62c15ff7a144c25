"""What the image holds: a folder whose files are exactly those that its manifest names.

Law: a context that loads has the bytes that were hashed when the image was built.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from scoring_service.model import Model, load_model
from scoring_service.schema import Schema

MANIFEST: Final = "manifest.json"
MODEL: Final = "model"
SCHEMA: Final = "schema.json"


class ContextError(Exception):
    """The context is not what was built; the message names the file."""


class Manifest(msgspec.Struct, frozen=True):
    """The sha256 (hex) of every file of the context but the manifest, by relative path."""

    files: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of a context; raises `ContextError`."""
        try:
            return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=cls)
        except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
            raise ContextError(f"{MANIFEST} in {folder.resolve()} cannot be read: {error}") from None

    def verify(self, folder: Path) -> None:
        """Compare every file with its digest; raises `ContextError` naming the first that differs."""
        if SCHEMA not in self.files:
            raise ContextError(f"{SCHEMA} is not in {MANIFEST}: build the image again")
        for path, digest in sorted(self.files.items()):
            _verify_file(folder, path, digest)
        for file in sorted((folder / MODEL).rglob("*")):
            path = file.relative_to(folder).as_posix()
            if not file.is_dir() and path not in self.files:
                raise ContextError(f"{path} is not in {MANIFEST}: build the image again")


def _verify_file(folder: Path, path: str, digest: str) -> None:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ContextError(f"{MANIFEST} names {path}, which is outside of the context")
    try:
        content = (folder / path).read_bytes()
    except OSError as error:
        raise ContextError(f"{path} is in {MANIFEST}, but cannot be read: {error.strerror}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ContextError(f"{path} has sha256 {found}, {MANIFEST} says {digest}: build the image again")


@dataclass(frozen=True)
class Context:
    """A verified image: what it predicts, and with what."""

    schema: Schema
    model: Model

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Verify and load; raises `ContextError`, `SchemaError` or `ModelError`."""
        Manifest.read(folder).verify(folder)
        schema = Schema.read(folder / SCHEMA)
        return cls(schema, load_model(folder / MODEL, schema.names))
