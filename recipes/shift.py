"""Whether a batch comes from the distribution of a reference: how far it is off, and how likely that is by chance.

How far: the population stability index (PSI) of the batch's histogram against the reference's. By itself it says
little of a small batch, whose index is large by chance: 40 honest rows in ten bins have one of 0.25 on average. So
an alarm needs both an index that matters and a difference that chance does not explain.

Chance is not approximated, it is played through. If the reference's rows and the batch's are drawn from one
continuous distribution, the mass of the bins between the reference's order statistics is Dirichlet distributed, and
the batch's counts are multinomial given it, whatever the distribution is. Half a million such batches give the
p-values of two statistics: the index itself (any change of shape), and the weighted squares between the cumulative
shares (Anderson and Darling; a shifted mean). The missing values are tested the same way, in two bins. The number of
tests in the batch is corrected for by Bonferroni: each may err with the recipe's `false_alarms` over their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from recipes.findings import Finding
from recipes.profile import ColumnProfile, Profile

if TYPE_CHECKING:
    import numpy.typing as npt

    from recipes.recipe import Array, Quality

    Counts = npt.NDArray[np.int64]
    Alphas = tuple[float, ...]

GAMES: Final = (2_000, 20_000, 500_000)
"""Batches to play: more only if the difference looks rare among fewer."""
_BLOCK: Final = 25_000
_KEPT: Final = 5_000
_CLEAR: Final = 40
"""A statistic that more games than these reach is known well enough."""
_TAIL: Final = 200
_COUNTED: Final = 10
"""Fewer hits than these are no base for a p-value: then the tail is continued."""


@dataclass(frozen=True)
class Shift:
    """One test. `p` is the chance of such a difference without a cause, `limit` what an alarm needs it to be."""

    column: str
    what: str
    psi: float
    p: float
    limit: float
    alarm: bool

    def finding(self, rows: int, min_psi: float) -> Finding:
        """The alarm as a finding about all `rows` of the batch."""
        rule = (
            f"{self.what} has shifted against the champion's data: PSI {self.psi:.2f} (limit {min_psi:g}),"
            f" by chance {self.p:.1g} (limit {self.limit:.1g}); all {rows} rows"
        )
        return Finding(self.column, (), rows, rule)


def compare(reference: Profile, batch: Profile, quality: Quality) -> list[Shift]:
    """Test every column of the batch that the reference has, its values and its missing ones."""
    pairs = [(reference.columns[name], found) for name, found in batch.columns.items() if name in reference.columns]
    questions = [question for pair in pairs for question in _questions(*pair)]
    limit = quality.false_alarms / max(len(questions), 1)
    return [_ask(*question, limit, quality.min_psi) for question in questions]


def psi(alphas: Alphas, counts: Sequence[int]) -> float:
    """The population stability index of counts; each share is smoothed towards the reference's."""
    return float(_statistics(np.array(alphas), np.array([counts]))[0][0])


def chance(alphas: Alphas, counts: Sequence[int]) -> float:
    """How likely counts like these, or stranger ones, are without a cause; at most one."""
    if sum(counts) == 0:
        return 1.0
    found = [statistic[0] for statistic in _statistics(np.array(alphas), np.array([counts]))]
    for games in GAMES:
        tails = _tails(alphas, sum(counts), games)
        p = 2 * min(_tail_p(tail, value, games) for tail, value in zip(tails, found, strict=True))
        if p > 2 * _CLEAR / games:
            break
    return float(min(p, 1.0))


def alphas_of(counts: Sequence[int]) -> Alphas:
    """The Dirichlet weights of a reference's bins; what never occurred there may still come, like one row of it."""
    return tuple(max(count + 1 / len(counts), 1.0) for count in counts)


def _questions(reference: ColumnProfile, batch: ColumnProfile) -> Iterator[tuple[str, str, Alphas, tuple[int, ...]]]:
    if reference.present:
        yield reference.name, "the distribution", alphas_of(reference.counts), batch.counts
    if reference.missing or batch.missing:
        known, found = (reference.missing, reference.present), (batch.missing, batch.present)
        yield reference.name, "the share of missing values", alphas_of(known), found


def _ask(column: str, what: str, alphas: Alphas, counts: Sequence[int], limit: float, min_psi: float) -> Shift:
    index = psi(alphas, counts)
    p = chance(alphas, counts) if index >= min_psi else 1.0
    return Shift(column, what, index, p, limit, index >= min_psi and p <= limit)


def _statistics(alphas: Array, counts: Counts) -> tuple[Array, Array]:
    """The two statistics of each row of counts, of shape (games, bins)."""
    expected = alphas / alphas.sum()
    weight = len(alphas) / 2
    shares = (counts + weight * expected) / (counts.sum(axis=1, keepdims=True) + weight)
    index = np.sum((shares - expected) * np.log(shares / expected), axis=1)
    below, known = np.cumsum(shares, axis=1)[:, :-1], np.cumsum(expected)[:-1]
    return index, np.sum((below - known) ** 2 / (known * (1 - known)), axis=1)


@lru_cache(maxsize=256)
def _tails(alphas: Alphas, rows: int, games: int) -> tuple[Array, Array]:
    """The largest values of both statistics in `games` honest batches, ascending; the same in every process."""
    generator, weights = np.random.default_rng(20_261), np.array(alphas)
    largest = (np.empty(0), np.empty(0))
    for _ in range(0, games, _BLOCK):
        size = min(_BLOCK, games)
        counts = generator.multinomial(rows, generator.dirichlet(weights, size))
        found = _statistics(weights, counts)
        largest = (_top(largest[0], found[0]), _top(largest[1], found[1]))
    return largest


def _top(known: Array, found: Array) -> Array:
    together: Array = np.sort(np.concatenate([known, found]))[-_KEPT:]
    return together


def _tail_p(tail: Array, value: float, games: int) -> float:
    """The share of games at or above `value`; beyond the tenth-largest an exponential tail continues it."""
    hits = len(tail) - int(np.searchsorted(tail, value, side="left"))
    if hits >= _COUNTED:
        return (hits + 1) / (games + 1)
    start = tail[-_TAIL]
    mean = float(np.mean(tail[-_TAIL:] - start))
    continued = _TAIL / games * np.exp(-(value - start) / mean) if mean > 0 else 0.0
    return min(float(continued), (_COUNTED + 1) / (games + 1))
