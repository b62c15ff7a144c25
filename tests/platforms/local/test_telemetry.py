from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from platforms.local.telemetry import FileTelemetry


def test_each_emission_is_a_line(tmp_path: Path) -> None:
    telemetry = FileTelemetry(tmp_path / "deep" / "telemetry.jsonl")
    telemetry.emit("retrain", {"mse": 1.5, "promoted": True})
    telemetry.emit("release", {})
    lines = [json.loads(line) for line in (tmp_path / "deep" / "telemetry.jsonl").read_text().splitlines()]
    assert [(line["name"], line["fields"]) for line in lines] == [
        ("retrain", {"mse": 1.5, "promoted": True}),
        ("release", {}),
    ]


def test_a_lost_one_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        FileTelemetry(tmp_path / "file" / "x").emit("retrain", {})
    assert "telemetry retrain is lost" in caplog.text
