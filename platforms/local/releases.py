"""What the journal says that every endpoint serves."""

from __future__ import annotations

from platforms import journal
from platforms.local.journal import file_journal
from platforms.settings import Settings
from platforms.values import EndpointSpec


def recorded(settings: Settings) -> list[EndpointSpec]:
    """The newest release of each recipe and environment; raises `PlatformError` if a journal was tampered with."""
    root = settings.state_dir / "journal"
    kept = file_journal(root)
    recipes = sorted(file.stem for file in root.glob("*.jsonl"))
    return [spec for recipe in recipes for spec in journal.served(kept.entries(recipe)).values()]
