"""How a replica's process ends that does not start: whose fault it was, for who started it."""

from __future__ import annotations

from typing import Final

IMAGE: Final = 1
"""The image cannot be served: its files, its schema, its model."""
SURROUNDINGS: Final = 78
"""The image was given what it cannot start with: settings, keys, log folder, socket. `EX_CONFIG` of sysexits.h."""
