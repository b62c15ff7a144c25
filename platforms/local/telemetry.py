"""Measurements and outcomes as lines of JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from platforms.values import Parameter

log = logging.getLogger(__name__)


class FileTelemetry:
    """The telemetry port on one file: each line is an object with `time`, `name` and `fields`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def emit(self, name: str, fields: Mapping[str, Parameter]) -> None:
        """Append one line; never raises, a lost one loses no fact."""
        try:
            line = json.dumps({"time": datetime.now(UTC).isoformat(), "name": name, "fields": dict(fields)})
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                file.write(f"{line}\n".encode())
        except (OSError, TypeError, ValueError) as error:
            log.warning("telemetry %s is lost: %s", name, error)
