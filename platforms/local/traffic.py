"""The scoring service's request log, read from the files that the replicas write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from platforms.local import files
from platforms.protocols import PlatformError, ScoredRequest


class LocalTrafficLog:
    """The traffic port on a folder: `<root>/<recipe>/<environment>/**/*.jsonl`, one request per line."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, recipe: str, since: datetime, until: datetime) -> Iterator[ScoredRequest]:
        """Every acknowledged request in `[since, until)`, each once; ordered by time within one replica's file.

        Raises:
            PlatformError: A line that is not the last of its file cannot be read.
        """
        folder = self._root / files.checked_name("recipe", recipe)
        for file in sorted(folder.glob("*/**/*.jsonl")):
            yield from (request for request in _requests(file) if since <= request.time < until)


def _requests(file: Path) -> Iterator[ScoredRequest]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            # Each line is written before its answer: one without its newline was never acknowledged.
            if line.endswith(b"\n"):
                yield _request(file, number, line)


def _request(file: Path, number: int, line: bytes) -> ScoredRequest:
    try:
        return msgspec.json.decode(line, type=ScoredRequest)
    except msgspec.DecodeError as error:
        raise PlatformError(f"line {number} of {file} is no logged request: {error}; move the file away") from None
