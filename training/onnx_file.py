"""Estimators as ONNX graphs whose bytes depend on the estimator only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from training.positions import by_position

if TYPE_CHECKING:
    from scoring_service.schema import Kind

Precision = Literal["double", "single"]
_OPSETS: Final = {"": 18, "ai.onnx.ml": 3}
_CLASSES: Final = {"zipmap": False}
"""For classifiers: onnxruntime has the operator that names their probabilities in single precision only."""
_MATRIX: Final = "input"
_COLUMN: Final = "f"


def convert(estimator: object, names: Sequence[str], kinds: Sequence[Kind], precision: Precision) -> bytes:
    """The graph of an estimator that was fitted on a frame with these columns; raises whatever skl2onnx raises.

    Its inputs are those of `scoring_service.onnx_model`.
    """
    from skl2onnx import convert_sklearn
    from sklearn.base import is_classifier

    _register_lightgbm()
    converters, shapes = _doubles() if precision == "double" else ({}, {})
    graph = convert_sklearn(
        by_position(estimator, names),
        "model",
        _inputs(kinds, precision),
        target_opset=_OPSETS,
        options=_CLASSES if is_classifier(estimator) else None,
        custom_conversion_functions=converters,
        custom_shape_calculators=shapes,
    )
    _set_opsets(graph)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _doubles() -> tuple[dict[type, object], dict[type, object]]:
    """Converters and shape calculators of our own, for what skl2onnx has in single precision only."""
    from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes as one_number
    from sklearn.impute import SimpleImputer

    from training import onnx_imputer, onnx_trees

    trees = onnx_trees.CONVERTERS | _lightgbm()
    shapes: dict[type, object] = dict.fromkeys(trees, one_number)
    return {**trees, SimpleImputer: onnx_imputer.convert}, shapes | {SimpleImputer: onnx_imputer.shape}


def _lightgbm() -> dict[type, Callable[[Any, Any, Any], None]]:
    """The estimator can be one only if the recipe has imported it."""
    if "lightgbm" not in sys.modules:
        return {}
    from lightgbm import LGBMRegressor

    from training import onnx_lightgbm

    return {LGBMRegressor: onnx_lightgbm.convert}


def _set_opsets(graph: Any) -> None:  # noqa: ANN401  # onnx has no types
    """Name each operator set once; skl2onnx itself refuses the one that has trees in double precision."""
    from training import onnx_trees

    versions = {entry.domain: entry.version for entry in graph.opset_import}
    if any(node.op_type == onnx_trees.OPERATOR for node in graph.graph.node):
        versions[onnx_trees.DOMAIN] = onnx_trees.OPSET
    del graph.opset_import[:]
    for domain, version in sorted(versions.items()):
        graph.opset_import.add(domain=domain, version=version)


def _inputs(kinds: Sequence[Kind], precision: Precision) -> list[tuple[str, object]]:
    from skl2onnx.common import data_types

    number = data_types.DoubleTensorType if precision == "double" else data_types.FloatTensorType
    if "string" not in kinds:
        return [(_MATRIX, number([None, len(kinds)]))]
    types = {"string": data_types.StringTensorType}
    return [(f"{_COLUMN}{index}", types.get(kind, number)([None, 1])) for index, kind in enumerate(kinds)]


def _register_lightgbm() -> None:
    """Teach skl2onnx that LightGBM's regressor is one, and its conversion in single precision."""
    if not _lightgbm():
        return
    from lightgbm import LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes

    update_registered_converter(
        LGBMRegressor, "LightGbmLGBMRegressor", calculate_linear_regressor_output_shapes, convert_lightgbm
    )
