"""What a graph must not be made of where its answer jumps.

Beside a threshold a rounding error chooses another leaf or class, however close the numbers are. Rows that lie there
are too rare for probes to find, but not for requests, so the estimator and the operators of its graph decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from sklearn.base import is_classifier, is_outlier_detector
from sklearn.impute import KNNImputer
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)

from training import matrix, nested, onnx_trees
from training.acceptance import RejectedError

if TYPE_CHECKING:
    import pandas as pd

    from training.onnx_file import Precision

_CHOOSING: Final = frozenset({"LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"})
"""Operators that sum the votes for a class in single precision, whatever they are given."""
_VOTES: Final = "it chooses a class by votes that are added in single precision, or in another order"
_NEAREST: Final = (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    KNNImputer,
)
_STEPS: Final = frozenset({"ArgMax", "ArgMin", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "TopK"}) | {
    "TreeEnsembleRegressor"
}


def check_estimator(estimator: object, precision: Precision) -> None:
    """Raises `RejectedError` for what no graph should be made of, however close it may be on the holdout."""
    if any(_endless(part) for part in nested.parts(estimator, _ours(precision))):
        raise RejectedError("some trees only tell missing values from all others at a node")
    parts = list(nested.parts(estimator))
    if any(isinstance(part, _NEAREST) for part in parts):
        raise RejectedError("of neighbours that are as near as others it takes other ones")
    if _chooses(estimator) and (precision == "single" or any("estimators_" in vars(part) for part in parts)):
        raise RejectedError(_VOTES)


def check_graph(content: bytes, estimator: object, precision: Precision, features: pd.DataFrame) -> None:
    """Raises `RejectedError` if a row could be put on the other side of a step."""
    operators = {node.op_type for node in onnx.load_from_string(content).graph.node}
    if _chooses(estimator) and operators & _CHOOSING:
        raise RejectedError(_VOTES)
    if precision == "single" and operators & _STEPS and not _fit_single(features):
        raise RejectedError("it compares in single precision what does not fit it")


def _ours(precision: Precision) -> tuple[type, ...]:
    """Models whose trees our own converters write."""
    return tuple(onnx_trees.CONVERTERS) if precision == "double" else ()


def _endless(part: object) -> bool:
    """Whether a tree has infinite thresholds, which tell missing values from others; skl2onnx never ends there."""
    tree = vars(part).get("tree_")
    return tree is not None and not np.isfinite(tree.threshold).all()


def _chooses(estimator: object) -> bool:
    return bool(is_classifier(estimator) or is_outlier_detector(estimator))


def _fit_single(features: pd.DataFrame) -> bool:
    columns = zip(features, matrix.kinds(features), strict=True)
    values = features[[name for name, kind in columns if kind != "string"]].to_numpy("float64")
    with np.errstate(over="ignore"):
        return np.array_equal(values.astype(np.float32), values, equal_nan=True)
