from __future__ import annotations

import pytest

from platforms.errors import PlatformError
from platforms.platform import Platform
from tasks import areas, data


@pytest.mark.parametrize("name", [f"{'a' * 251}.csv", f"{'表' * 83}.csv", "x.csv"])
def test_a_batch_with_the_longest_name_is_filed_with_its_report(platform: Platform, name: str) -> None:
    blob = platform.storage.write(f"landing/diabetes/{name}", b"age\n1\n")
    data.keep_report.fn(blob, "Accepted", {"state": "Accepted", "time": "now"})
    filed = data.file_batch.fn(blob, "Accepted")
    assert filed is not None
    assert filed.path.endswith(f"/{name}" if len(name) < 80 else ".csv")
    [report] = areas.filed_batches("diabetes")
    assert (report["path"], report["filed"]) == (blob.path, filed.path)


def test_a_report_is_of_one_arrival_once_it_is_filed(platform: Platform) -> None:
    blob = platform.storage.write("landing/diabetes/x.csv", b"age\n1\n")
    data.keep_report.fn(blob, "Quarantined", {"state": "Quarantined", "time": "now"})
    assert areas.report_of(blob) is None
    data.file_batch.fn(blob, "Quarantined")
    report = areas.report_of(blob)
    assert report is not None
    assert (report["path"], report["etag"]) == (blob.path, blob.etag)
    assert areas.report_of(platform.storage.write(blob.path, b"age\n1\n")) is None


@pytest.mark.parametrize(
    "path", ["tables/diabetes/part-0.parquet", "accepted/diabetes/1/x.csv", "landing/wine/x.csv", "x"]
)
def test_what_is_in_another_place_is_no_batch(platform: Platform, path: str) -> None:
    platform.storage.write(path, b"age\n1\n")
    with pytest.raises(
        PlatformError, match="is no batch of diabetes, which are in landing/diabetes/ or quarantine/dia"
    ):
        data.find_batch.fn("diabetes", path)


@pytest.mark.parametrize(
    "path", ["landing/diabetes/x.csv", "landing/diabetes/deep/x.csv", "quarantine/diabetes/1/x.csv"]
)
def test_batches_are_found_where_they_wait_or_were_set_aside(platform: Platform, path: str) -> None:
    assert data.find_batch.fn("diabetes", path) is None
    blob = platform.storage.write(path, b"age\n1\n")
    assert data.find_batch.fn("diabetes", path) == blob
