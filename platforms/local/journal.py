"""The journal as one file per recipe, a line of canonical JSON per entry.

Law: an entry's hash is the sha256 of its canonical JSON without `hash`, and that JSON holds the hash of the entry
before; so a change to any entry shows in it or in the next one. The first entry's `previous` is 64 zeros.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from filelock import FileLock

from platforms.local import files
from platforms.protocols import Environment, JournalEntry, PlatformError

GENESIS: Final = "0" * 64


class FileJournal:
    """The journal port on a folder; `<root>/<recipe>.jsonl`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def append(
        self,
        recipe: str,
        action: str,
        *,
        reason: str,
        flow_run: str,
        model_version: int | None = None,
        environment: Environment | None = None,
        image: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> JournalEntry:
        """Seal and store a decision.

        A decision is known by flow run, action, environment and model version; one that is recorded already is
        returned as it stands.

        Raises:
            PlatformError: The journal was changed by another hand, or `details` is no JSON.
        """
        identity = (flow_run, action, environment, model_version)
        self._root.mkdir(parents=True, exist_ok=True)
        with FileLock(self._root / ".guard"):
            entries = self.entries(recipe)
            for entry in entries:
                if (entry.flow_run, entry.action, entry.environment, entry.model_version) == identity:
                    return entry
            fields = {
                "sequence": len(entries) + 1,
                "time": datetime.now(UTC).isoformat(),
                "recipe": recipe,
                "action": action,
                "model_version": model_version,
                "environment": environment,
                "image": image,
                "reason": reason,
                "flow_run": flow_run,
                "details": dict(details or {}),
                "previous": entries[-1].hash if entries else GENESIS,
            }
            line = _canonical(fields | {"hash": _hash(fields)})
            self._write(recipe, line)
            return _entry(line)

    def entries(self, recipe: str) -> list[JournalEntry]:
        """Every entry, oldest first; raises `PlatformError` naming the first one whose hash does not fit."""
        previous = GENESIS
        found = []
        for number, line in enumerate(self._lines(recipe), 1):
            entry = self._checked(recipe, number, line, previous)
            found.append(entry)
            previous = entry.hash
        return found

    def _checked(self, recipe: str, number: int, line: bytes, previous: str) -> JournalEntry:
        try:
            entry = _entry(line)
            fields = json.loads(line)
            sealed = fields.pop("hash")
        except (msgspec.DecodeError, ValueError, KeyError) as error:
            raise self._broken(recipe, number, f"cannot be read ({error})") from None
        fits = (entry.sequence, entry.recipe, entry.previous) == (number, recipe, previous)
        if not fits or _hash(fields) != sealed or _canonical(fields | {"hash": sealed}) != line:
            raise self._broken(recipe, number, "does not fit its hash or the entry before it")
        return entry

    def _broken(self, recipe: str, number: int, reason: str) -> PlatformError:
        return PlatformError(
            f"entry {number} of the journal {self._path(recipe)} {reason}: it was changed after it was written;"
            " restore the file from a backup"
        )

    def _lines(self, recipe: str) -> Iterator[bytes]:
        try:
            content = self._path(recipe).read_bytes()
        except FileNotFoundError:
            return
        *lines, rest = content.split(b"\n")
        yield from lines
        if _is_whole(rest):
            yield rest

    def _write(self, recipe: str, line: bytes) -> None:
        """Append after the last whole line: what a crash left behind it is cut off."""
        descriptor = os.open(self._path(recipe), os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            content = file.read()
            rest = content.rpartition(b"\n")[2]
            if _is_whole(rest):
                file.write(b"\n")
            else:
                file.seek(len(content) - len(rest))
                file.truncate()
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        files.sync_folder(self._root)

    def _path(self, recipe: str) -> Path:
        return self._root / f"{files.checked_name('recipe', recipe)}.jsonl"


def _is_whole(line: bytes) -> bool:
    """Whether a last line without its newline is an entry; what a crash cut short is not even JSON."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _hash(fields: Mapping[str, object]) -> str:
    return hashlib.sha256(_canonical(fields)).hexdigest()


def _canonical(fields: Mapping[str, object]) -> bytes:
    try:
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise PlatformError(f"a journal entry must be JSON: {error}; give plain values in `details`") from None


def _entry(line: bytes) -> JournalEntry:
    return msgspec.json.decode(line, type=JournalEntry)
