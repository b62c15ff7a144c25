"""What the journal says that every endpoint serves."""

from __future__ import annotations

from collections.abc import Iterable

from platforms.local.journal import file_journal
from platforms.settings import Settings
from platforms.values import EndpointSpec, Image, JournalEntry

SERVING = ("released", "rolled back")
"""Actions after which the entry's image serves in its environment."""


def recorded(settings: Settings) -> list[EndpointSpec]:
    """The newest release of each recipe and environment; raises `PlatformError` if a journal was tampered with."""
    root = settings.state_dir / "journal"
    journal = file_journal(root)
    recipes = sorted(file.stem for file in root.glob("*.jsonl"))
    return [spec for recipe in recipes for spec in newest(journal.entries(recipe))]


def newest(entries: Iterable[JournalEntry]) -> list[EndpointSpec]:
    """The endpoints after these entries, which are ordered from the oldest on."""
    specs = {
        entry.environment: EndpointSpec(
            entry.recipe, entry.environment, Image.parse(entry.image), entry.model_version
        )
        for entry in entries
        if entry.action in SERVING and entry.environment and entry.image and entry.model_version is not None
    }
    return list(specs.values())
