"""scikit-learn's `SimpleImputer` as double-precision ONNX.

onnxruntime has ONNX's own imputer in single precision only, which would put every pipeline that fills values into it.
Here a comparison chooses between the value and what stands for a missing one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from onnx import TensorProto
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes

_NAMES: Final = "joined", "missing", "filled", "chosen", "flags"
"""The values between the nodes."""


class UnsupportedImputerError(Exception):
    """This imputer fills something else than NaN, or drops columns that had no value."""


def convert(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401  # skl2onnx has no types
    """Write the operator's nodes; called by skl2onnx."""
    if not isinstance(operator.inputs[0].type, DoubleTensorType):
        convert_sklearn_imputer(scope, operator, container)
        return
    model, target = operator.raw_operator, operator.outputs[0].full_name
    fillings = np.asarray(model.statistics_, dtype=np.float64)
    if model.missing_values == model.missing_values or np.isnan(fillings).any():
        raise UnsupportedImputerError(f"{model} fills other values than NaN, or leaves out columns")
    flagged = [] if model.indicator_ is None else model.indicator_.features_.tolist()

    def node(kind: str, given: list[str], made: str, **attributes: object) -> str:
        container.add_node(kind, given, made, name=scope.get_unique_operator_name(kind), **attributes)
        return made

    def constant(what: str, kind: int, values: list[Any]) -> str:
        name: str = scope.get_unique_variable_name(what)
        container.add_initializer(name, kind, [len(values)], values)
        return name

    joined, missing, filled, chosen, flags = map(scope.get_unique_variable_name, _NAMES)
    source = node("Concat", [given.full_name for given in operator.inputs], joined, axis=1)
    node("IsNaN", [source], missing)
    filling = constant("filling", TensorProto.DOUBLE, fillings.tolist())
    node("Where", [missing, filling, source], filled if flagged else target)
    if flagged:
        node("Gather", [missing, constant("flagged", TensorProto.INT64, flagged)], chosen, axis=1)
        node("Cast", [chosen], flags, to=TensorProto.DOUBLE)
        node("Concat", [filled, flags], target, axis=1)


def shape(operator: Any) -> None:  # noqa: ANN401  # skl2onnx has no types
    """Give the operator's output its width; called by skl2onnx."""
    calculate_sklearn_imputer_output_shapes(operator)
    rows, width = operator.outputs[0].type.shape
    if width is not None and operator.raw_operator.indicator_ is not None:
        width += len(operator.raw_operator.indicator_.features_)
    operator.outputs[0].type.shape = [rows, width]
