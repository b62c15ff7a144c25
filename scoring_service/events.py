"""What the service says about itself: one JSON object a line on stderr."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import msgspec


def emit(level: str, message: str, **fields: object) -> None:
    """Write one line: time, level, message, further fields. A stderr that cannot be written loses it."""
    event = {"time": datetime.now(UTC), "level": level, "message": message, **fields}
    try:
        sys.stderr.write(msgspec.json.encode(event).decode() + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
