"""Rows that a holdout may lack, but that requests may send.

Off the holdout a form can differ although it gives the holdout's predictions: where votes tie, next to a threshold,
between two categories, or where a number does not fit single precision. What the schema's limits refuse never reaches
a model, so it is not asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from scoring_service.schema import NUMBERS, Feature
from training import matrix

if TYPE_CHECKING:
    from recipes.recipe import Array
    from scoring_service.schema import Value

    Asked = tuple[str, Sequence[Value]]
    """Values of one feature to ask for, and what to call them."""

_MIXED: Final = 300
"""Rows whose values come from different rows of the holdout."""
_KNOWN: Final = 8
"""Values of each column of numbers, from its least to its largest, beside which is looked."""
_LACKING: Final = 25
"""Rows that are predicted again without a value, for each nullable feature."""
_UNSEEN: Final = "\N{REPLACEMENT CHARACTER} never seen"
_HUGE: Final = 1e300
_WHOLE: Final = 2**53
"""Integers up to here are all float64 as well, which is how models get them."""
_SINGLE: Final = 2**24
"""The same in single precision."""
_LARGEST: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Rows:
    """Rows with one word each for what is odd about it."""

    told: tuple[str, ...]
    frame: pd.DataFrame


def of(features: pd.DataFrame, declared: Sequence[Feature] = ()) -> tuple[Rows, ...]:
    """Rows like the `features`, never the same as any by design.

    What is likely to be refused comes apart from the rest, since a refusal is looked for row by row.

    Args:
        features: The holdout, at least one row.
        declared: What requests may send, column by column; by default anything of the columns' kinds.
    """
    declared = declared or _any(features)
    near = [_changed(features, each, _near(features[each.name], each)) for each in declared]
    far = [_changed(features, each, _far(each)) for each in declared]
    made = [[_mixed(features)], list(chain(*near)), list(chain(*far)), list(_lacking(features, declared))]
    return tuple(_joined(parts) for parts in made if parts)


def _any(features: pd.DataFrame) -> list[Feature]:
    return [Feature(str(name), kind) for name, kind in zip(features, matrix.kinds(features), strict=True)]


def _mixed(features: pd.DataFrame) -> Rows:
    """Each value from a row of its own."""
    random = np.random.default_rng(0)
    drawn = {name: features[name].take(random.integers(len(features), size=_MIXED)).array for name in features}
    return Rows(("rows of values that do not belong together are",) * _MIXED, pd.DataFrame(drawn))


def _near(column: pd.Series, feature: Feature) -> Iterator[Asked]:
    """Categories, and numbers next to those of the column."""
    if feature.values is not None:
        yield "values that the schema allows", feature.values
    elif feature.type == "string":
        yield "unknown categories", [_UNSEEN]
    elif feature.type in NUMBERS:
        yield "other values", _beside(column.dropna().to_numpy("float64"), feature)


def _beside(values: Array, feature: Feature) -> list[float]:
    known = (
        np.unique(np.quantile(values, np.linspace(0, 1, _KNOWN), method="nearest")) if len(values) else np.zeros(1)
    )
    ends = [
        known[0] - 1,
        known[-1] + 1,
        *(limit for limit in (feature.minimum, feature.maximum) if limit is not None),
    ]
    if np.abs(known).max() >= _SINGLE:
        ends.append(_SINGLE + 1)
    if feature.type == "integer":
        return [*(known - 1), *(known + 1), *ends]
    spacing = np.abs(np.spacing(np.clip(known, -_LARGEST, _LARGEST).astype(np.float32)).astype(np.float64))
    return [*(known + 0.5), -0.5, *(known - spacing), *(known + spacing), *ends]


def _far(feature: Feature) -> Iterator[Asked]:
    if feature.values is None and feature.type in NUMBERS:
        most = _WHOLE if feature.type == "integer" else _HUGE
        yield "huge values", [-most, most]


def _lacking(features: pd.DataFrame, declared: Sequence[Feature]) -> Iterator[Rows]:
    """Without each of the nullable columns in turn, and without all of them."""
    rows = features.head(_LACKING)
    nullable = [each.name for each in declared if each.nullable]
    for name in nullable:
        yield Rows((f"rows without {name!r} are",) * len(rows), rows.assign(**{name: np.nan}))
    if len(nullable) > 1:
        yield Rows(
            ("rows without any nullable feature are",) * len(rows), rows.assign(**dict.fromkeys(nullable, np.nan))
        )


def _changed(features: pd.DataFrame, feature: Feature, asked: Iterator[Asked]) -> Iterator[Rows]:
    """Rows of the holdout, one after the other, with another value of the feature."""
    for told, values in asked:
        allowed = [value for value in values if _allows(feature, value)]
        if allowed:
            rows = features.take(np.arange(len(allowed)) % len(features))
            changed = np.array(allowed, "int64") if feature.type == "integer" else allowed
            yield Rows((f"{told} of {feature.name!r} are",) * len(allowed), rows.assign(**{feature.name: changed}))


def _allows(feature: Feature, value: Value) -> bool:
    if isinstance(value, str):
        return True
    low = -math.inf if feature.minimum is None else feature.minimum
    high = math.inf if feature.maximum is None else feature.maximum
    return low <= value <= high and (feature.type != "integer" or float(value).is_integer())


def _joined(parts: Sequence[Rows]) -> Rows:
    return Rows(
        tuple(chain(*(part.told for part in parts))), pd.concat([part.frame for part in parts], ignore_index=True)
    )
