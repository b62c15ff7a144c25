from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platforms.jobs import LAST_LINES, Lines, Usage, arguments, failure
from platforms.values import TrainingJob

JOB = TrainingJob("r-1", "r", 7, {"alpha": 0.4})


def test_lines_come_whole_however_the_log_is_cut() -> None:
    seen: list[str] = []
    lines = Lines(seen.append)
    for content in (b"fi", b"rst\r\nse", b"cond\nth\xc3", b"\xa9", b"\xff"):
        lines.feed(content)
    assert seen == ["first", "second"]
    lines.end()
    lines.end()
    assert seen == ["first", "second", "thé\ufffd"]


def test_a_failure_ends_with_the_last_lines() -> None:
    lines = Lines(lambda line: None)
    lines.feed(b"".join(b"line %d\n" % number for number in range(50)))
    text = str(failure(JOB, "it ended", "the log", lines))
    assert text.startswith("training job r-1 failed: it ended. Last lines of the log:\nline 30\n")
    assert len(text.splitlines()) == LAST_LINES + 1


def test_the_arguments_say_what_to_do() -> None:
    assert arguments(JOB) == ["--recipe", "r", "--dataset-version", "7", "--param=alpha=0.4"]
    assert arguments(replace(JOB, code={"git_tree": "clean"}))[5:] == ["--code=git_tree=clean"]


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
