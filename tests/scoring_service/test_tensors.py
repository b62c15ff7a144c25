from __future__ import annotations

import pytest

from scoring_service import tensors
from scoring_service.schema import Feature


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize(("limit", "lets_in"), [(5e-324, False), (0.0, True), (-5e-324, True)])
def test_zero_stays_on_its_side_of_a_limit_in_any_precision(limit: float, lets_in: bool, dtype: str) -> None:
    feature = tensors._wider(Feature("x", "number", minimum=limit), dtype)
    assert feature.minimum is not None
    assert (feature.minimum <= 0.0) is lets_in
