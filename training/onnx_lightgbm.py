"""LightGBM's regressor as double-precision ONNX.

onnxmltools writes it in single precision, where features above 2**24, like times and identifiers, take other leaves
than LightGBM chooses, which compares in double.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from training.onnx_trees import Ensemble, Nodes, Tree, UnsupportedTreesError

_PLAIN: Final = frozenset({"regression", "regression_l1", "huber", "fair", "quantile", "mape"})
"""Objectives whose predictions are the leaves' sums."""
_EXPONENTIAL: Final = frozenset({"poisson", "gamma", "tweedie"})
"""Objectives whose predictions are the exponentials of them."""


def convert(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401  # skl2onnx has no types
    """Write the operator's nodes; called by skl2onnx."""
    dump = operator.raw_operator.booster_.dump_model()
    objective, *details = str(dump.get("objective", "none")).split()
    if objective not in _PLAIN | _EXPONENTIAL or "sqrt" in details:
        raise UnsupportedTreesError(f"LightGBM with the objective {dump.get('objective')!r}")
    source, target = operator.inputs[0].full_name, operator.outputs[0].full_name
    write = Nodes(scope, container)
    if objective in _PLAIN:
        write.ensemble(source, _ensemble(dump), target)
    else:
        write.node("Exp", [write.ensemble(source, _ensemble(dump))], target)


def _ensemble(dump: Mapping[str, Any]) -> Ensemble:
    trees = [_tree(each["tree_structure"]) for each in dump["tree_info"]]
    return Ensemble(trees, 1.0 / len(trees) if dump["average_output"] else 1.0)


def _tree(root: Mapping[str, Any]) -> Tree:
    nodes, children = [root], [(-1, -1)]
    for index, node in enumerate(nodes):  # grows while it is read
        if "leaf_coeff" in node:
            raise UnsupportedTreesError("LightGBM with linear leaves")
        if "leaf_value" not in node:
            children[index] = (len(nodes), len(nodes) + 1)
            nodes += [node["left_child"], node["right_child"]]
            children += [(-1, -1), (-1, -1)]
    left, right = np.array(children, dtype=np.int64).T
    return Tree(
        left,
        right,
        np.array([node.get("split_feature", -1) for node in nodes], dtype=np.int64),
        np.array([node.get("threshold", 0.0) for node in map(_comparing, nodes)], dtype=np.float64),
        np.array([_missing_left(node) for node in nodes], dtype=np.bool_),
        np.array([node.get("leaf_value", 0.0) for node in nodes], dtype=np.float64),
    )


def _comparing(node: Mapping[str, Any]) -> Mapping[str, Any]:
    if node.get("decision_type", "<=") != "<=":
        raise UnsupportedTreesError("LightGBM with categorical features")
    return node


def _missing_left(node: Mapping[str, Any]) -> bool:
    """Where no value was missing in training, a missing one counts as 0."""
    match node.get("missing_type", "NaN"):
        case "NaN":
            return bool(node.get("default_left", False))
        case "None":
            return bool(node["threshold"] >= 0)
    raise UnsupportedTreesError("LightGBM with zero_as_missing")
