"""The `Recipe`: the only thing that a new model must provide.

A recipe is a value, not a framework: a row schema, a target, a way to build the estimator, how to measure it and when
to promote it. Everything else (versions, holdout, comparison, image, release) follows from these fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from pandera.pandas import DataFrameSchema

    Array = npt.NDArray[np.float64]

Parameter = bool | int | float | str

NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = ("recipe", "dataset_version", "at_least", "force", "reason")
"""What `retrain` takes beside a recipe's parameters, which are arguments of the same flow."""
MEASURED = ("number", "integer", "boolean")
"""What a target holds, in the words of JSON schema."""


class RecipeError(Exception):
    """A recipe contradicts itself or does not exist; the message names the recipe, the field and the next step."""


class Estimator(Protocol):
    """What scikit-learn calls a regressor: the constructor stores parameters, `fit` learns, `predict` answers."""

    def fit(self, features: pd.DataFrame, target: pd.Series[float]) -> Self:
        """Learn from a frame of the recipe's features, of the schema's types, and the target, row by row."""
        ...

    def predict(self, features: pd.DataFrame) -> Array:
        """One number per row."""
        ...


@dataclass(frozen=True)
class Metric:
    """A number over all holdout rows, called as `function(y_true, y_pred)`."""

    name: str
    function: Callable[[Array, Array], float]
    lower_is_better: bool = True


@dataclass(frozen=True)
class Gate:
    """When a candidate replaces the champion.

    The lower one-sided `confidence` bound of the improvement must exceed `min_improvement` (in the unit of the loss);
    `confidence=None` compares the plain means.
    """

    confidence: float | None = 0.9
    min_improvement: float = 0.0

    def __post_init__(self) -> None:
        if self.confidence is not None and not 0.5 <= self.confidence < 1:
            raise RecipeError(f"gate confidence is {self.confidence}: give a number in [0.5, 1), or None for none")


@dataclass(frozen=True)
class Quality:
    """What a batch must be beside fitting the schema."""

    min_rows: int = 10
    """Fewer rows are refused: a part of a file, or too few to see whether they fit."""
    max_repeated: float = 0.5
    """Refused when this share of a batch's rows, or more, repeat an earlier row of the same batch."""
    false_alarms: float = 0.001
    """The chance that the test of distributions refuses an honest batch, over all its columns."""
    min_psi: float = 0.1
    """A shift below this population stability index harms nobody, however certain it is."""
    exempt: tuple[str, ...] = ()
    """Columns that are meant to move, like a counter or a date: their distribution is not tested."""

    def __post_init__(self) -> None:
        rules = [
            (self.min_rows < 1, f"min_rows is {self.min_rows}: give at least 1"),
            (not 0 < self.max_repeated <= 1, f"max_repeated is {self.max_repeated}: give a share in (0, 1]"),
            (not 0 < self.false_alarms < 1, f"false_alarms is {self.false_alarms}: give a chance in (0, 1)"),
            (self.min_psi < 0, f"min_psi is {self.min_psi}: give 0 or more"),
        ]
        if problems := [text for wrong, text in rules if wrong]:
            raise RecipeError(f"quality: {'; '.join(problems)}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is learnt. `name` is the name of its folder under `recipes/`."""

    name: str
    schema: DataFrameSchema
    """One row set: features, target and identifiers, each with its type and limits.

    Batches are checked in chunks of 65,536 rows, so a check of one's own must look at values, not at whole columns.
    """
    target: str
    estimator: Callable[..., Estimator]
    """Called with the parameters as keywords; returns an estimator that is not fitted."""
    parameters: Mapping[str, Parameter]
    """Every parameter with its default; a run may change values, not add names, and types stay.

    None has a name of `RESERVED`.
    """
    metrics: tuple[Metric, ...]
    """The first is the primary one."""
    loss: Callable[[Array, Array], Array]
    """The primary metric row by row, lower is better: what the gate compares."""
    seed_data: Callable[[], pd.DataFrame]
    """Rows that `ridgeline up` lands first and that the demo plays with."""
    entity_key: tuple[str, ...] = ()
    """Columns that say which entity a row speaks of; the default is the features. Never the target.

    Of an entity's rows only the one that arrived last is learnt from or measured: it corrects the others.
    """
    identifiers: tuple[str, ...] = ()
    """Columns that name a row and are no features."""
    gate: Gate = field(default_factory=Gate)
    quality: Quality = field(default_factory=Quality)
    holdout: float = 0.2
    """Share of entities that no model ever trains on."""

    def __post_init__(self) -> None:
        if not self.entity_key:
            object.__setattr__(self, "entity_key", self.features)
        problems = [text for wrong, text in self._rules() if wrong]
        if problems:
            raise RecipeError(f"recipe {self.name!r}: " + "; ".join(problems))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of a batch, in the schema's order."""
        return tuple(str(column) for column in self.schema.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that the estimator sees, in the schema's order."""
        return tuple(column for column in self.columns if column != self.target and column not in self.identifiers)

    @property
    def nullable(self) -> tuple[str, ...]:
        """The features that may lack a value, in batches and in requests: of numbers, those that the schema says."""
        from recipes.columns import kind

        columns = self.schema.columns
        return tuple(name for name in self.features if columns[name].nullable and kind(columns[name]) == "number")

    @property
    def primary(self) -> Metric:
        """The metric that decides."""
        return self.metrics[0]

    def _rules(self) -> list[tuple[bool, str]]:
        from recipes.columns import kind

        unknown = [name for name in (*self.entity_key, *self.identifiers) if name not in self.columns]
        exempt = [name for name in self.quality.exempt if name not in self.columns]
        chosen = () if self.entity_key == self.features else self.entity_key
        loose = [name for name in self.features if name in chosen and self.schema.columns[name].nullable]
        names = [metric.name for metric in self.metrics]
        odd = [name for name in self.features if kind(self.schema.columns[name]) is None]
        target = self.schema.columns.get(self.target)
        reserved = [name for name in self.columns if name.startswith("_") or name == "prediction"]
        taken = [name for name in self.parameters if name in RESERVED]
        return [
            (not NAME.fullmatch(self.name), "the name must be lower-case letters, digits and _ (it names a folder)"),
            (self.target not in self.columns, f"target {self.target!r} is not in the schema: add it or rename it"),
            (bool(unknown), f"entity_key or identifiers name unknown columns {unknown}: use columns of the schema"),
            (bool(loose), f"entity_key names {loose}, which are nullable: rows without a value would be one entity"),
            (bool(exempt), f"quality.exempt names unknown columns {exempt}: use columns of the schema"),
            (
                target is not None and kind(target) not in MEASURED,
                f"target {self.target!r} is neither float, int nor bool: a class is a number too",
            ),
            (self.target in self.entity_key, "the target is in entity_key: a corrected label would move its row"),
            (self.target in self.identifiers, "the target is in identifiers: leave it out"),
            (not self.features, "the schema has no feature: add a column beside the target"),
            (bool(odd), f"features {odd} are neither float, int, bool nor str: categories are a str with Check.isin"),
            (bool(reserved), f"columns {reserved} are reserved (`prediction`, and names that begin with `_`)"),
            (
                bool(taken),
                f"parameters {taken} are reserved, rename them: `retrain` has {', '.join(RESERVED)} for itself",
            ),
            (not self.metrics, "metrics is empty: give at least the primary one"),
            (len(names) != len(set(names)), f"metrics share a name: {names}"),
            (not 0 < self.holdout < 1, f"holdout is {self.holdout}: give a share between 0 and 1"),
        ]
