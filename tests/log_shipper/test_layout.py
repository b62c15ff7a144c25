from __future__ import annotations

from datetime import date

import pytest

from log_shipper import layout, segments
from scoring_service import segments as written

DAY = date(2026, 1, 2)


def test_a_path_tells_segment_and_day() -> None:
    path = layout.path("diabetes", "prod", DAY, "requests-x-1")
    assert path == "scoring-logs/diabetes/prod/date=2026-01-02/requests-x-1.parquet"
    assert path.startswith(layout.folder("diabetes", "prod", DAY))
    assert layout.segment_of(path) == "requests-x-1"
    assert layout.day_of(path) == DAY


@pytest.mark.parametrize("path", ["a/date=2026-01-02/x.txt", "a/2026-01-02/x.parquet", "a/date=today/x.parquet", "x"])
def test_a_foreign_blob_has_no_day(path: str) -> None:
    assert layout.day_of(path) is None


def test_the_names_are_those_that_the_service_writes() -> None:
    assert (segments.CLOSED, segments.OPEN) == (written.CLOSED, written.OPEN)
