"""Pauses between tries, longer and longer while they fail."""

from __future__ import annotations

from typing import Final

MOST_DOUBLINGS: Final = 32
"""More would be longer than anybody waits, and a float has no power for a thousand."""


def pause(failures: int, first: float, longest: float) -> float:
    """Seconds until the next try: `first`, doubled for each failure in a row, but never more than `longest`."""
    return min(first * 2.0 ** min(failures, MOST_DOUBLINGS), longest)
