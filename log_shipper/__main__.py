"""`python -m log_shipper`: ship a log folder until SIGTERM; with `--once`, ship what is closed and end."""

from __future__ import annotations

import logging
import os
import sys
from typing import IO, Final

from pydantic import ValidationError

from log_shipper import priority, segments
from log_shipper.settings import PREFIX, Settings
from log_shipper.shipper import Shipper
from log_shipper.stopping import Stop
from platforms import selection
from platforms.errors import PlatformError
from platforms.settings import Settings as PlatformSettings

ONCE: Final = "--once"
FRUGAL: Final = {"OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Threads of Arrow would compete with the replicas, and its own allocator keeps what it had once."""


def main() -> None:
    """Ship; exit code 1 if another shipper has the folder, or if `--once` leaves a segment."""
    if unknown := [argument for argument in sys.argv[1:] if argument != ONCE]:
        sys.exit(f"unknown arguments {unknown}: there is only {ONCE}")
    settings = _settings()
    # A storage's client may tell every request that it makes.
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("log_shipper").setLevel(logging.INFO)
    priority.stand_back(settings.nice)
    os.environ |= FRUGAL
    with _lock(settings):
        _ship(settings, once=ONCE in sys.argv[1:])


def _ship(settings: Settings, *, once: bool) -> None:
    stop = Stop()
    stop.listen()
    try:
        shipper = Shipper(selection.storage(PlatformSettings()), settings, stop)
    except PlatformError as error:
        sys.exit(str(error))
    if not once:
        shipper.run()
        return
    shipper.round()
    left = len(segments.closed(settings.log_dir))
    if left:
        sys.exit(f"{left} segments are left in {settings.log_dir}")


def _lock(settings: Settings) -> IO[bytes]:
    try:
        held = segments.lock(settings.log_dir)
    except OSError as error:
        sys.exit(f"{settings.log_dir} cannot be written: {error.strerror} ({PREFIX}LOG_DIR)")
    if held is None:
        sys.exit(f"another shipper serves {settings.log_dir}: end it, or give this one another {PREFIX}LOG_DIR")
    return held


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        reasons = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors() if e["loc"]]
        sys.exit("; ".join(reasons) or str(error))


if __name__ == "__main__":
    main()
