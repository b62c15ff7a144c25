from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scoring_service.contexts import make_context
from tests.scoring_service.serving import Running, running


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A context of the weights form that no test may change."""
    return make_context(tmp_path_factory.mktemp("contexts") / "weights")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lines each write of the test has."""
    lines: list[int] = []
    write = os.write

    def count(descriptor: int, data: bytes) -> int:
        lines.append(data.count(b"\n"))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", count)
    return lines


@pytest.fixture
def service(context: Path, tmp_path: Path) -> Iterator[Running]:
    """A service with small limits."""
    with running(context, tmp_path / "logs", max_body_bytes=20_000, max_rows=50, max_header_bytes=2_000) as service:
        yield service
