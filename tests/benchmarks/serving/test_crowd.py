from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.serving import crowd
from benchmarks.serving.crowd import Crowd
from tests.scoring_service.contexts import ROW, make_context
from tests.scoring_service.serving import message, running


def test_what_becomes_of_each_request_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "PATIENCE", 5.0)
    with running(make_context(tmp_path / "context"), tmp_path / "logs") as service:
        good = asyncio.run(Crowd(service.port, message({"data": [ROW]})).ask_for(0.2, 200))
        refused = asyncio.run(Crowd(service.port, message({"data": []})).ask_for(0.1, 100))
        monkeypatch.setattr(crowd, "PATIENCE", 0.2)
        silent = asyncio.run(Crowd(service.port, message({"data": [ROW]})[:-1]).ask_for(0.1, 100))
    assert 0 < good.asked == len(good.waits) <= 40
    assert good.refused == good.given_up == 0
    assert 0 < refused.asked == refused.refused <= 10
    assert 0 < silent.asked == silent.given_up <= 10
