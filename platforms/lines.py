"""The lines of a log that grows: a training job's, or an image build's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

LAST_LINES: Final = 20
"""How many lines are kept for the error of what failed."""


def unheard(line: str) -> None:
    """Takes lines where nobody wants them."""


class Lines:
    """Cuts a growing log into lines: each goes to `on_line` once, the last ones are kept."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self.last: deque[str] = deque(maxlen=LAST_LINES)

    def feed(self, content: bytes) -> None:
        """Hand on every line that `content` completes."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self._hand_on(line)

    def end(self) -> None:
        """Hand on a last line without its newline."""
        rest, self._rest = self._rest, b""
        if rest:
            self._hand_on(rest)

    def _hand_on(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.last.append(text)
        self._on_line(text)
