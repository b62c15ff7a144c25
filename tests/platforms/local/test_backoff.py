from __future__ import annotations

import pytest

from platforms.local.backoff import pause


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0.2), (1, 0.4), (3, 1.6), (6, 10.0), (5000, 10.0)])
def test_pauses_double_up_to_the_longest_for_any_number_of_failures(failures: int, seconds: float) -> None:
    assert pause(failures, 0.2, 10.0) == pytest.approx(seconds)
