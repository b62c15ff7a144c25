"""The journal of a recipe, wherever its lines are kept: one line of canonical JSON per entry.

Law: an entry's hash is the sha256 of its canonical JSON without `hash`, and that JSON holds the hash of the entry
before; so a change to any entry shows in it or in the next one. The first entry's `previous` is 64 zeros.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from platforms import races
from platforms.errors import ConflictError, PlatformError
from platforms.values import EndpointSpec, Environment, Image, JournalEntry

GENESIS: Final = "0" * 64
RELEASED: Final = "released"
"""Action after which the entry's image serves in its environment."""
WITHDRAWN: Final = "withdrawn"
"""Action after which an endpoint shall serve nothing until its next release."""


def served(entries: Iterable[JournalEntry]) -> Mapping[Environment, EndpointSpec]:
    """What each endpoint of a recipe shall serve after these entries, which are ordered from the oldest on."""
    found: dict[Environment, EndpointSpec] = {}
    for entry in entries:
        where = entry.environment
        if where and entry.action == WITHDRAWN:
            found.pop(where, None)
        if where and entry.action == RELEASED and entry.image and entry.model_version is not None:
            found[where] = EndpointSpec(entry.recipe, where, Image.parse(entry.image), entry.model_version)
    return found


class JournalText(Protocol):
    """Where journals are kept: a text per recipe that only grows."""

    def read(self, recipe: str) -> bytes:
        """All that is written; empty before the first line."""
        ...

    def extend(self, recipe: str, seen: bytes, line: bytes) -> bool:
        """Put a line, with its newline, behind what was `seen`; False, and nothing is done, if more is there by now.

        A last line that a crash cut short is cut off.
        """
        ...

    def name(self, recipe: str) -> str:
        """Where a person finds the recipe's journal."""
        ...


@dataclass(frozen=True)
class _Verified:
    """The whole lines of a journal whose hashes fit, and the entries in them."""

    content: bytes = b""
    entries: tuple[JournalEntry, ...] = ()


class HashedJournal:
    """The journal port on a text; each line is verified once, and again if anything before it was changed."""

    def __init__(self, text: JournalText) -> None:
        self._text = text
        self._verified: dict[str, _Verified] = {}

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
            ConflictError: Other writers won every attempt.
            PlatformError: The journal was changed by another hand, or `details` is no JSON.
        """
        identity = (flow_run, action, environment, model_version)
        facts = {
            "recipe": recipe,
            "action": action,
            "model_version": model_version,
            "environment": environment,
            "image": image,
            "reason": reason,
            "flow_run": flow_run,
            "details": dict(details or {}),
        }
        for _ in races.attempts():
            seen = self._text.read(recipe)
            entries = self._checked(recipe, seen)
            if recorded := next((entry for entry in entries if _identity(entry) == identity), None):
                return recorded
            line = _sealed(facts, entries)
            if self._text.extend(recipe, seen, line):
                return _entry(line)
        raise ConflictError(
            f"{self._text.name(recipe)}: {races.ATTEMPTS} attempts lost against others; append it again"
        )

    def entries(self, recipe: str) -> list[JournalEntry]:
        """Every entry, oldest first; raises `PlatformError` naming the first one whose hash does not fit."""
        return self._checked(recipe, self._text.read(recipe))

    def _checked(self, recipe: str, content: bytes) -> list[JournalEntry]:
        kept, now = self._verified.get(recipe, _Verified()), whole(content)
        if not now.startswith(kept.content):
            kept = _Verified()
        entries = list(kept.entries)
        for line in now[len(kept.content) :].splitlines():
            previous = entries[-1].hash if entries else GENESIS
            entries.append(self._check(recipe, len(entries) + 1, line, previous))
        self._verified[recipe] = _Verified(now, tuple(entries))
        return entries

    def _check(self, recipe: str, number: int, line: bytes, previous: str) -> JournalEntry:
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
            f"entry {number} of the journal {self._text.name(recipe)} {reason}: it was changed after it was written;"
            " restore it from a backup"
        )


def whole(content: bytes) -> bytes:
    """What was written, without a last line that a crash cut short; one that only lacks its newline gets it."""
    rest = content.rpartition(b"\n")[2]
    return content[: len(content) - len(rest)] if not _is_whole(rest) else content + b"\n"


def _is_whole(line: bytes) -> bool:
    """Whether a last line without its newline is an entry; what a crash cut short is not even JSON."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _identity(entry: JournalEntry) -> tuple[object, ...]:
    return (entry.flow_run, entry.action, entry.environment, entry.model_version)


def _sealed(facts: Mapping[str, object], before: list[JournalEntry]) -> bytes:
    """The line of the entry that follows."""
    place = {
        "sequence": len(before) + 1,
        "time": datetime.now(UTC).isoformat(),
        "previous": before[-1].hash if before else GENESIS,
    }
    fields = {**facts, **place}
    return _canonical(fields | {"hash": _hash(fields)})


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
