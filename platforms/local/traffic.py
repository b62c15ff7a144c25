"""The scoring service's request log: the segments that the replicas write, and what of them is in storage already.

`scoring_service.request_log` describes the segments; open ones are read as far as they are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from log_shipper import lines
from platforms import names
from platforms.errors import PlatformError
from platforms.protocols import Storage
from platforms.settings import Settings
from platforms.shipped import ShippedLog
from platforms.values import ScoredRequest
from scoring_service.segments import CLOSED, OPEN


class LocalTrafficLog:
    """The traffic port on a folder: segments below `<root>/<recipe>/<environment>/`, shipped ones in `storage`."""

    def __init__(self, root: Path, storage: Storage) -> None:
        self._root = root
        self._shipped = ShippedLog(storage)

    def read(self, recipe: str, since: datetime, until: datetime) -> Iterator[ScoredRequest]:
        """Every acknowledged request in `[since, until)`, each once; ordered by time within one replica's file.

        A segment is deleted after it is stored, so one that is gone is found in storage if that is looked at last.

        Raises:
            PlatformError: A line that is not the last of its file cannot be read.
        """
        folder = self._root / names.checked("recipe", recipe)
        read = set()
        for segment in _segments(folder):
            if (content := _open(segment)) is not None:
                read.add(segment.stem)
                yield from (request for request in _requests(segment, content) if since <= request.time < until)
        yield from self._shipped.read(recipe, since, until, without=read)


def traffic_root(settings: Settings) -> Path:
    """The folder below which all replicas log their requests."""
    return settings.state_dir / "traffic"


def _segments(folder: Path) -> list[Path]:
    """The segments by their closed names. The second look finds what was renamed during the first."""
    looks = [folder.glob(f"*/**/*{suffix}") for suffix in (OPEN, CLOSED, OPEN)]
    return sorted({file.with_suffix("") if file.name.endswith(OPEN) else file for look in looks for file in look})


def _open(segment: Path) -> BinaryIO | None:
    """A reader of a segment under whichever name it has now; None if it was empty or is shipped."""
    for name in (segment.name.removesuffix(CLOSED) + OPEN, segment.name):
        with suppress(FileNotFoundError):
            return segment.with_name(name).open("rb")
    return None


def _requests(segment: Path, content: BinaryIO) -> Iterator[ScoredRequest]:
    with content:
        for number, line in enumerate(content, 1):
            # Each line is written before its answer: one without its newline is not acknowledged yet, and what may
            # have been written after it in the meantime is the rest of that line.
            if not line.endswith(b"\n"):
                return
            yield _request(segment, number, line)


def _request(segment: Path, number: int, line: bytes) -> ScoredRequest:
    try:
        record = msgspec.structs.asdict(lines.read(line))
        return msgspec.convert({**record, "inputs": msgspec.json.decode(record["inputs"])}, ScoredRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PlatformError(f"line {number} of {segment} is no logged request: {error}; move the file away") from None
