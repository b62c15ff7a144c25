"""Estimators whose prediction is exactly coefficients times features plus intercept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    OrthogonalMatchingPursuit,
    Ridge,
    RidgeCV,
    TheilSenRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import LinearSVR

from training.positions import positions

if TYPE_CHECKING:
    import numpy.typing as npt

    from recipes.recipe import Array


@dataclass(frozen=True)
class Affine:
    """Columns that are `scale * x[source] + offset`, each made of one column of `x`."""

    source: npt.NDArray[np.int64]
    scale: Array
    offset: Array

    @classmethod
    def of(cls, width: int, scale: Array | float = 1.0, offset: Array | float = 0.0) -> Self:
        """Every one of `width` columns scaled and moved."""
        ones = np.ones(width)
        return cls(np.arange(width), ones * scale, ones * offset)

    def then(self, after: Affine) -> Affine:
        """Both, one after the other."""
        chosen = after.source
        offset = after.scale * self.offset[chosen] + after.offset
        return Affine(self.source[chosen], after.scale * self.scale[chosen], offset)


@dataclass(frozen=True)
class Weights:
    """A linear model; coefficients are in the order of the features."""

    coefficients: Array
    intercept: float

    def behind(self, affine: Affine, width: int) -> Weights:
        """The model of `width` columns that this model of what `affine` makes of them is."""
        coefficients = np.zeros(width)
        np.add.at(coefficients, affine.source, self.coefficients * affine.scale)
        return Weights(coefficients, self.intercept + float(np.sum(self.coefficients * affine.offset)))


def weights_of(estimator: object, names: Sequence[str]) -> Weights | None:
    """The weights of a fitted linear model of the named columns, or None for any other estimator.

    Scalers in front of it are folded in, and column transformers of scalers.
    """
    *before, model = _steps(estimator)
    weights, affine = _linear(model), _chained(before, names)
    if weights is None or affine is None or len(affine.source) != len(weights.coefficients):
        return None
    return weights.behind(affine, len(names))


def _steps(estimator: object) -> list[object]:
    if not isinstance(estimator, Pipeline):
        return [estimator]
    steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    return [inner for step in steps for inner in _steps(step)]


def _linear(model: object) -> Weights | None:
    if type(model) not in _LINEAR:
        return None
    coefficients = np.asarray(getattr(model, "coef_", ()), dtype="float64")
    intercept = np.asarray(getattr(model, "intercept_", ()), dtype="float64")
    if coefficients.ndim != 1 or intercept.size != 1:
        return None
    return Weights(coefficients, float(intercept.reshape(())))


def _chained(steps: Sequence[object], names: Sequence[str]) -> Affine | None:
    whole = Affine.of(len(names))
    for step in steps:
        affine = _affine(step, names)
        if affine is None:
            return None
        whole = whole.then(affine)
    return whole


def _affine(step: object, names: Sequence[str]) -> Affine | None:
    if type(step) is ColumnTransformer:
        return _together(step, names)
    fold = _SCALERS.get(type(step))
    return fold(step) if fold else None


def _together(columns: ColumnTransformer, names: Sequence[str]) -> Affine | None:
    """What a column transformer makes, part beside part."""
    parts = []
    for _, step, chosen in columns.transformers_:
        places = np.array(positions(chosen, names), dtype=np.int64)
        if step == "drop" or not len(places):
            continue
        part = _chained(_steps(step), [names[place] for place in places])
        if part is None:
            return None
        parts.append(Affine(places[part.source], part.scale, part.offset))
    return Affine(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("source", "scale", "offset"))
    )


def _identity(step: FunctionTransformer) -> Affine | None:
    return Affine.of(step.n_features_in_) if step.func is None else None


def _standard(scaler: StandardScaler) -> Affine:
    scale = 1.0 if scaler.scale_ is None else 1.0 / scaler.scale_
    offset = 0.0 if scaler.mean_ is None or not scaler.with_mean else -scaler.mean_ * scale
    return Affine.of(scaler.n_features_in_, scale, offset)


def _min_max(scaler: MinMaxScaler) -> Affine | None:
    return None if scaler.clip else Affine.of(scaler.n_features_in_, scaler.scale_, scaler.min_)


def _max_abs(scaler: MaxAbsScaler) -> Affine | None:
    return None if getattr(scaler, "clip", False) else Affine.of(scaler.n_features_in_, 1.0 / scaler.scale_)


def _robust(scaler: RobustScaler) -> Affine:
    scale = 1.0 if scaler.scale_ is None else 1.0 / scaler.scale_
    return Affine.of(scaler.n_features_in_, scale, 0.0 if scaler.center_ is None else -scaler.center_ * scale)


# Exact types: a subclass may override predict or transform.
_LINEAR: Final = frozenset(
    {
        ARDRegression,
        BayesianRidge,
        ElasticNet,
        ElasticNetCV,
        HuberRegressor,
        Lars,
        Lasso,
        LassoCV,
        LassoLars,
        LinearRegression,
        LinearSVR,
        OrthogonalMatchingPursuit,
        Ridge,
        RidgeCV,
        TheilSenRegressor,
    }
)

_SCALERS: Final[dict[type, Callable[[object], Affine | None]]] = {
    FunctionTransformer: _identity,
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
}
