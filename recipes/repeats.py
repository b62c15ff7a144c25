"""Which rows of a batch repeat an earlier one, by their 64-bit hashes: 8 bytes of memory per row.

Two different rows share a hash once in 2**64; of five million rows any two do with a chance of one in a million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from recipes.findings import Mask

    Hashes = npt.NDArray[np.uint64]


class Repeats:
    """Collects the hashes of a batch's rows in their order."""

    def __init__(self) -> None:
        self._parts: list[Hashes] = []

    def add(self, hashes: Hashes) -> None:
        """The rows of the next chunk."""
        self._parts.append(hashes)

    def count(self) -> int:
        """How many rows repeat an earlier one."""
        ordered = np.sort(self._all())
        return int(np.count_nonzero(ordered[1:] == ordered[:-1]))

    def mask(self) -> Mask:
        """For each row whether it repeats an earlier one."""
        hashes = self._all()
        mask = np.zeros(len(hashes), dtype=bool)
        if self.count():
            order = np.argsort(hashes, kind="stable")
            mask[order[1:][hashes[order[1:]] == hashes[order[:-1]]]] = True
        return mask

    def _all(self) -> Hashes:
        return np.concatenate([np.empty(0, "u8"), *self._parts])
