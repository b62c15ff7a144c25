"""scikit-learn's trees as double-precision ONNX.

The stock converters keep leaves in float32, which moves predictions by 1e-6. Operator set 5 of `ai.onnx.ml` has trees
in double precision: with them a forest predicts what scikit-learn does to the last bits. scikit-learn itself rounds
features to float32 before it compares them with a threshold, so the graph does too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto, numpy_helper
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPERATOR: Final = "TreeEnsemble"
DOMAIN: Final = "ai.onnx.ml"
OPSET: Final = 5
_SUM: Final = 1
_LESS_OR_EQUAL: Final = 0


class UnsupportedTreesError(Exception):
    """These trees have more than one output, or begin with another estimator."""


def convert(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401  # skl2onnx has no types
    """Write the operator's nodes; called by skl2onnx."""
    model, source, target = operator.raw_operator, operator.inputs[0].full_name, operator.outputs[0].full_name
    trees, weight, base = _ENSEMBLES[type(model)](model)
    single, rounded, summed = (scope.get_unique_variable_name(name) for name in ("single", "rounded", "summed"))
    start = scope.get_unique_variable_name("base")

    def node(kind: str, given: str | list[str], made: str, **attributes: object) -> None:
        container.add_node(kind, given, made, name=scope.get_unique_operator_name(kind), **attributes)

    node("Cast", source, single, to=TensorProto.FLOAT)
    node("Cast", single, rounded, to=TensorProto.DOUBLE)
    node(OPERATOR, rounded, summed, op_domain=DOMAIN, op_version=3, **_attributes(trees, weight))
    container.add_initializer(start, TensorProto.DOUBLE, [1], [base])
    node("Add", [summed, start], target)


def _attributes(trees: Sequence[Any], weight: float) -> dict[str, object]:
    """The attributes of `TreeEnsemble`: inner nodes and leaves of all trees, each numbered through."""
    found: dict[str, list[Any]] = {name: [] for name in (*_NODES, "splits", "modes", "leaf_weights", "tree_roots")}
    for tree in trees:
        _add_tree(found, tree, weight)
    return {
        "n_targets": 1,
        "aggregate_function": _SUM,
        "post_transform": 0,
        "tree_roots": found["tree_roots"],
        "leaf_targetids": [0] * len(found["leaf_weights"]),
        "leaf_weights": numpy_helper.from_array(np.array(found["leaf_weights"], np.float64), "leaf_weights"),
        "nodes_splits": numpy_helper.from_array(np.array(found["splits"], np.float64), "nodes_splits"),
        "nodes_modes": numpy_helper.from_array(np.array(found["modes"], np.uint8), "nodes_modes"),
        **{name: found[name] for name in _NODES},
    }


def _add_tree(found: dict[str, list[Any]], tree: Any, weight: float) -> None:  # noqa: ANN401  # no types
    if tree.n_outputs != 1:
        raise UnsupportedTreesError(f"trees with {tree.n_outputs} outputs")
    left, right = tree.children_left, tree.children_right
    inner = left >= 0
    if not inner.any():
        # An ensemble has no tree without a node: both ways lead to the same leaf.
        inner, left, right = np.array([True]), np.array([0]), np.array([0])
        leaf = np.array([True])
    else:
        leaf = ~inner
    nodes, leaves = len(found["splits"]) + np.cumsum(inner) - 1, len(found["leaf_weights"]) + np.cumsum(leaf) - 1
    ids: NDArray[np.int64] = np.where(leaf, leaves, nodes)
    found["tree_roots"].append(int(ids[0]) if not leaf[0] else len(found["splits"]))
    found["nodes_featureids"] += np.maximum(tree.feature[inner], 0).tolist()
    found["splits"] += tree.threshold[inner].tolist()
    found["modes"] += [_LESS_OR_EQUAL] * int(inner.sum())
    found["nodes_missing_value_tracks_true"] += tree.missing_go_to_left[inner].astype(int).tolist()
    for side, children in (("true", left[inner]), ("false", right[inner])):
        found[f"nodes_{side}nodeids"] += ids[children].tolist()
        found[f"nodes_{side}leafs"] += leaf[children].astype(int).tolist()
    found["leaf_weights"] += (weight * tree.value[leaf, 0, 0]).tolist()


def _tree(model: Any) -> tuple[list[Any], float, float]:  # noqa: ANN401  # scikit-learn has no types
    return [model.tree_], 1.0, 0.0


def _forest(model: Any) -> tuple[list[Any], float, float]:  # noqa: ANN401  # scikit-learn has no types
    return [tree.tree_ for tree in model.estimators_], 1.0 / len(model.estimators_), 0.0


def _boosted(model: Any) -> tuple[list[Any], float, float]:  # noqa: ANN401  # scikit-learn has no types
    if model.init_ != "zero" and not hasattr(model.init_, "constant_"):
        raise UnsupportedTreesError(f"boosting that begins with {model.init_}")
    base = 0.0 if model.init_ == "zero" else float(np.ravel(model.init_.constant_)[0])
    return [tree.tree_ for tree in model.estimators_.ravel()], float(model.learning_rate), base


_NODES: Final = (
    "nodes_featureids",
    "nodes_truenodeids",
    "nodes_trueleafs",
    "nodes_falsenodeids",
    "nodes_falseleafs",
    "nodes_missing_value_tracks_true",
)
_ENSEMBLES: Final[dict[type, Callable[[Any], tuple[list[Any], float, float]]]] = {
    DecisionTreeRegressor: _tree,
    ExtraTreeRegressor: _tree,
    ExtraTreesRegressor: _forest,
    RandomForestRegressor: _forest,
    GradientBoostingRegressor: _boosted,
}
CONVERTERS: Final[dict[type, Callable[[Any, Any, Any], None]]] = dict.fromkeys(_ENSEMBLES, convert)
"""For `custom_conversion_functions` of skl2onnx."""
