from __future__ import annotations

import msgspec
import numpy as np
import pytest

from scoring_service import tensors
from scoring_service.problem import ProblemError
from scoring_service.schema import Feature, Schema
from scoring_service.tensors import Tensor, TensorReader

MIXED = Schema("r", "y", (Feature("n", "number", 0.0, 1.0, nullable=True), Feature("t", "string", values=("x", "y"))))
TEXTS = Tensor("t", "BYTES", [2], data=msgspec.Raw(b'["x", "y"]'))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize(("limit", "lets_in"), [(5e-324, False), (0.0, True), (-5e-324, True)])
def test_zero_stays_on_its_side_of_a_limit_in_any_precision(limit: float, lets_in: bool, dtype: str) -> None:
    feature = tensors._wider(Feature("x", "number", minimum=limit), dtype)
    assert feature.minimum is not None
    assert (feature.minimum <= 0.0) is lets_in


@pytest.mark.parametrize("values", [b"[0.5, null]", np.array([0.5, np.nan])])
def test_numbers_may_be_missing_beside_texts(values: bytes | np.ndarray) -> None:
    reader = TensorReader(MIXED, 5)
    for datatype, dtype in (("FP64", "<f8"), ("FP16", "<f2")):
        if isinstance(values, bytes):
            rows = reader.read([Tensor("n", datatype, [2], data=msgspec.Raw(values)), TEXTS], memoryview(b""))
        else:
            tail = values.astype(dtype).tobytes()
            given = Tensor("n", datatype, [2], {"binary_data_size": len(tail)})
            rows = reader.read([given, TEXTS], memoryview(tail))
        assert repr(rows) == "[(0.5, 'x'), (nan, 'y')]"


def test_an_infinite_number_is_not_missing() -> None:
    tail = np.array([np.inf, np.nan]).tobytes()
    given = Tensor("n", "FP64", [2], {"binary_data_size": len(tail)})
    with pytest.raises(ProblemError, match="row 0, field 'n': inf is not a finite number"):
        TensorReader(MIXED, 5).read([given, TEXTS], memoryview(tail))
