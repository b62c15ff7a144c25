from __future__ import annotations

from pathlib import Path

import pytest

from platforms.usage import Usage


def test_usage_is_kept_with_the_outputs(tmp_path: Path) -> None:
    assert Usage.read(tmp_path) is None
    usage = Usage(12.25, 140.0, 0.0023, "USD")
    usage.write(tmp_path)
    assert Usage.read(tmp_path) == usage
    Usage(0.0, 1.0, None, "").write(tmp_path)
    assert Usage.read(tmp_path) == usage, "another run read it"
    assert usage.tags() == {"queue_seconds": "12.2", "node_seconds": "140.0", "estimated_cost": "0.0023 USD"}


def test_nobody_reads_half_a_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, write = tmp_path / "outputs", Path.write_text
    outputs.mkdir()

    def killed(self: Path, text: str) -> int:
        write(self, text[:9])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        Usage(0.0, 1.0, None, "").write(outputs)
    assert Usage.read(outputs) is None
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


def test_a_cost_that_nobody_knows_is_left_out() -> None:
    assert "estimated_cost" not in Usage(1.0, 2.0, None, "").tags()
