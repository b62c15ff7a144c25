"""What may be wrong with a batch: a file that is no table, or rules that its rows break."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

SHOWN_ROWS: Final = 10


class BatchError(Exception):
    """A file is no readable table; the message names the file and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Finding:
    """A rule that a batch breaks. Rows count from 1 (the first line of data); at most ten are listed."""

    column: str | None
    rows: tuple[int, ...]
    count: int
    rule: str

    def __str__(self) -> str:
        column = f"column {self.column!r}: " if self.column else ""
        more = ", …" if self.count > len(self.rows) else ""
        rows = f" (rows {', '.join(map(str, self.rows))}{more}; {self.count} in all)" if self.rows else ""
        return f"{column}{self.rule}{rows}"


@dataclass
class Findings:
    """Collects what each chunk of a batch breaks, in the memory of one finding per column and rule."""

    _found: dict[tuple[str | None, str], Finding] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, finding: Finding) -> None:
        """Take a finding; one of the same column and rule grows by its rows."""
        key = (finding.column, finding.rule)
        known = self._found.get(key, Finding(*key[:1], (), 0, finding.rule))
        rows = (known.rows + finding.rows)[:SHOWN_ROWS]
        self._found[key] = Finding(finding.column, rows, known.count + finding.count, finding.rule)

    def mark(self, column: str | None, mask: Mask, offset: int, rule: str) -> None:
        """The rows of a chunk where `mask` is true break the rule; `offset` rows came before the chunk."""
        positions = mask.nonzero()[0]
        if len(positions):
            rows = tuple(int(position) + offset + 1 for position in positions[:SHOWN_ROWS])
            self.add(Finding(column, rows, len(positions), rule))

    def sorted(self, columns: tuple[str, ...]) -> list[Finding]:
        """All of them, in the order of the schema's columns."""
        order = {name: position for position, name in enumerate(columns)}
        return sorted(self._found.values(), key=lambda finding: order.get(str(finding.column), len(order)))
