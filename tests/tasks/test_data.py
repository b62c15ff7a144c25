from __future__ import annotations

import pytest

from platforms.platform import Platform
from tasks import data


@pytest.mark.parametrize("name", [f"{'a' * 251}.csv", f"{'表' * 83}.csv", "x.csv"])
def test_a_batch_with_the_longest_name_is_filed_with_its_report(platform: Platform, name: str) -> None:
    blob = platform.storage.write(f"landing/diabetes/{name}", b"age\n1\n")
    data.keep_report.fn(blob, "Accepted", {"state": "Accepted", "time": "now"})
    filed = data.file_batch.fn(blob, "Accepted")
    assert filed is not None
    assert filed.path.endswith(f"/{name}" if len(name) < 80 else ".csv")
    [report] = data.filed_batches("diabetes")
    assert (report["path"], report["filed"]) == (blob.path, filed.path)
