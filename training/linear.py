"""Estimators whose prediction is exactly coefficients times features plus intercept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
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
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import LinearSVR

if TYPE_CHECKING:
    from recipes.recipe import Array

    Affine = tuple[Array | float, Array | float]


@dataclass(frozen=True)
class Weights:
    """A linear model; coefficients are in the order of the features."""

    coefficients: Array
    intercept: float

    def behind(self, scale: Array | float, offset: Array | float) -> Weights:
        """The model of `x` that this model of `scale * x + offset` is."""
        shift = float(np.sum(self.coefficients * offset))
        return Weights(self.coefficients * scale, self.intercept + shift)


def weights_of(estimator: object) -> Weights | None:
    """The weights of a fitted linear model, scalers in front of it folded in; None for any other estimator."""
    *scalers, model = _steps(estimator)
    weights = _linear(model)
    for scaler in reversed(scalers):
        fold = _SCALERS.get(type(scaler))
        affine = fold(scaler) if fold else None
        if weights is None or affine is None:
            return None
        weights = weights.behind(*affine)
    return weights


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


def _standard(scaler: StandardScaler) -> Affine:
    scale = 1.0 if scaler.scale_ is None else 1.0 / scaler.scale_
    return scale, 0.0 if scaler.mean_ is None or not scaler.with_mean else -scaler.mean_ * scale


def _min_max(scaler: MinMaxScaler) -> Affine | None:
    return None if scaler.clip else (scaler.scale_, scaler.min_)


def _max_abs(scaler: MaxAbsScaler) -> Affine | None:
    return None if getattr(scaler, "clip", False) else (1.0 / scaler.scale_, 0.0)


def _robust(scaler: RobustScaler) -> Affine:
    scale = 1.0 if scaler.scale_ is None else 1.0 / scaler.scale_
    return scale, 0.0 if scaler.center_ is None else -scaler.center_ * scale


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
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
}
