from __future__ import annotations

import pytest

from benchmarks.image_size import FORMS, megabytes
from tasks.packaging import SERVICE_PACKAGES


@pytest.mark.parametrize("form", FORMS)
def test_the_packages_of_an_image_stay_below_their_limit(form: str) -> None:
    packages, limit = FORMS[form]
    assert 50 < megabytes((*SERVICE_PACKAGES, *packages)) < limit
