from __future__ import annotations

import pytest

from benchmarks import shipping
from platforms.local.traffic import traffic_root
from platforms.settings import Settings


@pytest.mark.usefixtures("platform")
def test_everything_is_shipped_and_read_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "CHUNK", 1_000)
    shipping.write_log(traffic_root(settings) / shipping.RECIPE / "prod", 2_000)
    for step in shipping.STEPS.values():
        found = step(settings.state_dir)
        assert found.records == 2_000
        assert found.seconds > 0
        assert found.peak >= found.baseline


@pytest.mark.long
def test_a_million_records_take_little_memory(settings: Settings) -> None:
    shipping.write_log(traffic_root(settings) / shipping.RECIPE / "prod", 1_000_000)
    for step in shipping.STEPS:
        found = shipping.measure(step, settings.state_dir)
        assert found.records == 1_000_000
        assert found.peak - found.baseline < 200
