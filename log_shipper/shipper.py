"""The loop: adopt what dead processes left, ship what is closed, and wait longer while the storage fails."""

from __future__ import annotations

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Final

from log_shipper import segments
from log_shipper.settings import Settings
from log_shipper.stopping import Stop
from platforms.protocols import Storage

logger = logging.getLogger("log_shipper")

LONGEST_DOUBLING: Final = 32
"""Failures in a row after which a pause is longer than anybody waits; a float has no power for a thousand."""


class Shipper:
    """Ships one log folder until `stop` is set. `waiting` are the segments that the last round left."""

    def __init__(self, storage: Storage, settings: Settings, stop: Stop) -> None:
        self.waiting: list[Path] = []
        self._storage = storage
        self._settings = settings
        self._stop = stop
        self._failures: Counter[Path] = Counter()
        self._unreadable: dict[Path, int] = {}
        self._outage = 0

    def run(self) -> None:
        """Ship until told to stop, at the end of a segment."""
        while not self._stop.wished:
            self.round()
            self._stop.wait(self.pause())

    def round(self) -> None:
        """Ship every closed segment once; the first one that the storage refuses ends the round."""
        segments.adopt_left(self._settings.log_dir)
        found = segments.closed(self._settings.log_dir)
        # One that failed before goes last, so that it cannot hold up the others.
        queue = sorted(found, key=lambda segment: self._failures[segment])
        self.waiting = [segment for segment in queue if not self._is_unreadable(segment)]
        while self.waiting and not self._stop.wished:
            if not self._ship(self.waiting[0]):
                return
            self.waiting.pop(0)

    def pause(self) -> float:
        """Seconds until the next round: twice as long after each failure in a row, up to the setting."""
        if not self._outage:
            return self._settings.interval
        return min(2.0 ** min(self._outage - 1, LONGEST_DOUBLING), self._settings.longest_pause)

    def _ship(self, segment: Path) -> bool:
        """Ship one segment; False if the storage does not take it now."""
        # Arrow takes 60 MB, which a shipper that has nothing to ship does without.
        from log_shipper.records import UnreadableError
        from log_shipper.shipping import ship

        try:
            started = time.monotonic()
            size = segments.size(segment)
            rows = ship(self._storage, segment)
        except UnreadableError as error:
            self._unreadable[segment] = segments.size(segment)
            logger.error("%s; move the file away", error)
            return True
        except Exception as error:  # whatever the client of a storage raises, the segment stays and is tried again
            self._fail(segment, error)
            return False
        self._outage = 0
        self._failures.pop(segment, None)
        logger.info("shipped %s: %d records, %d bytes, %.1f s", segment, rows, size, time.monotonic() - started)
        return True

    def _fail(self, segment: Path, error: Exception) -> None:
        self._outage += 1
        self._failures[segment] += 1
        size = sum(map(segments.size, self.waiting))
        logger.error(
            "cannot ship %s (%s: %s); %d segments of %d bytes wait, next try in %.0f s",
            *(segment, type(error).__name__, error, len(self.waiting), size, self.pause()),
        )

    def _is_unreadable(self, segment: Path) -> bool:
        return self._unreadable.get(segment) == segments.size(segment)
