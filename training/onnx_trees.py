"""scikit-learn's trees as double-precision ONNX.

The stock converters keep leaves in float32, which moves predictions by 1e-6. Operator set 5 of `ai.onnx.ml` has trees
in double precision: with them a forest predicts what scikit-learn does to the last bits. scikit-learn itself rounds
features to float32 before it compares them with a threshold, so the graph does too, and has no number for a row with
a feature that is too large for that, which scikit-learn refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from onnx import TensorProto, numpy_helper
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recipes.recipe import Array

OPERATOR: Final = "TreeEnsemble"
DOMAIN: Final = "ai.onnx.ml"
OPSET: Final = 5
_SUM: Final = 1
_LESS_OR_EQUAL: Final = 0


class UnsupportedTreesError(Exception):
    """These trees cannot be written: they have more than one output, or begin with another estimator, or the like."""


@dataclass(frozen=True)
class Tree:
    """One array per property of the nodes, the root first; leaves have -1 as `left` and `right`.

    A value that is not more than the threshold goes to the left.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Array
    missing_left: NDArray[np.bool_]
    value: Array

    @classmethod
    def of(cls, tree: Any) -> Self:  # noqa: ANN401  # scikit-learn has no types
        """A tree of scikit-learn."""
        if tree.n_outputs != 1:
            raise UnsupportedTreesError(f"trees with {tree.n_outputs} outputs")
        children = tree.children_left, tree.children_right
        return cls(*children, tree.feature, tree.threshold, tree.missing_go_to_left, tree.value[:, 0, 0])


@dataclass(frozen=True)
class Ensemble:
    """Trees whose leaves are summed: `base + weight * sum`."""

    trees: Sequence[Tree]
    weight: float = 1.0
    base: float = 0.0


def convert(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401  # skl2onnx has no types
    """Write the operator's nodes; called by skl2onnx."""
    source, target = operator.inputs[0].full_name, operator.outputs[0].full_name
    write = Nodes(scope, container)
    single = write.node("Cast", [source], to=TensorProto.FLOAT)
    rounded = write.node("Cast", [single], to=TensorProto.DOUBLE)
    summed = write.ensemble(rounded, _ENSEMBLES[type(operator.raw_operator)](operator.raw_operator))
    infinite = write.node("Cast", [write.node("IsInf", [single])], to=TensorProto.FLOAT)
    any_infinite = write.node("ReduceMax", [infinite, write.constant(TensorProto.INT64, [1])], keepdims=1)
    refused = write.node("Cast", [any_infinite], to=TensorProto.BOOL)
    write.node("Where", [refused, write.constant(TensorProto.DOUBLE, [np.nan]), summed], target)


@dataclass(frozen=True)
class Nodes:
    """Adds nodes to a graph that skl2onnx makes."""

    scope: Any
    container: Any

    def node(self, kind: str, given: list[str], made: str | None = None, **attributes: object) -> str:
        """Add a node; returns the name of what it makes."""
        name: str = made or self.scope.get_unique_variable_name(kind.lower())
        self.container.add_node(kind, given, name, name=self.scope.get_unique_operator_name(kind), **attributes)
        return name

    def constant(self, kind: int, values: list[Any]) -> str:
        """Add a constant vector; returns its name."""
        name: str = self.scope.get_unique_variable_name("constant")
        self.container.add_initializer(name, kind, [len(values)], values)
        return name

    def ensemble(self, source: str, ensemble: Ensemble, made: str | None = None) -> str:
        """Add the trees, of float64 features; returns the name of what they predict."""
        attributes = _attributes(ensemble.trees, ensemble.weight)
        summed = self.node(OPERATOR, [source], op_domain=DOMAIN, op_version=3, **attributes)
        return self.node("Add", [summed, self.constant(TensorProto.DOUBLE, [ensemble.base])], made)


def _attributes(trees: Sequence[Tree], weight: float) -> dict[str, Any]:
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


def _add_tree(found: dict[str, list[Any]], tree: Tree, weight: float) -> None:
    left, right = tree.left, tree.right
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
    found["nodes_missing_value_tracks_true"] += tree.missing_left[inner].astype(int).tolist()
    for side, children in (("true", left[inner]), ("false", right[inner])):
        found[f"nodes_{side}nodeids"] += ids[children].tolist()
        found[f"nodes_{side}leafs"] += leaf[children].astype(int).tolist()
    found["leaf_weights"] += (weight * tree.value[leaf]).tolist()


def _tree(model: Any) -> Ensemble:  # noqa: ANN401  # scikit-learn has no types
    return Ensemble([Tree.of(model.tree_)])


def _forest(model: Any) -> Ensemble:  # noqa: ANN401  # scikit-learn has no types
    return Ensemble([Tree.of(tree.tree_) for tree in model.estimators_], 1.0 / len(model.estimators_))


def _boosted(model: Any) -> Ensemble:  # noqa: ANN401  # scikit-learn has no types
    if model.init_ != "zero" and not hasattr(model.init_, "constant_"):
        raise UnsupportedTreesError(f"boosting that begins with {model.init_}")
    base = 0.0 if model.init_ == "zero" else float(np.ravel(model.init_.constant_)[0])
    return Ensemble([Tree.of(tree.tree_) for tree in model.estimators_.ravel()], float(model.learning_rate), base)


_NODES: Final = (
    "nodes_featureids",
    "nodes_truenodeids",
    "nodes_trueleafs",
    "nodes_falsenodeids",
    "nodes_falseleafs",
    "nodes_missing_value_tracks_true",
)
_ENSEMBLES: Final[dict[type, Callable[[Any], Ensemble]]] = {
    DecisionTreeRegressor: _tree,
    ExtraTreeRegressor: _tree,
    ExtraTreesRegressor: _forest,
    RandomForestRegressor: _forest,
    GradientBoostingRegressor: _boosted,
}
CONVERTERS: Final[dict[type, Callable[[Any, Any, Any], None]]] = dict.fromkeys(_ENSEMBLES, convert)
"""For `custom_conversion_functions` of skl2onnx."""
