from __future__ import annotations

from pathlib import Path

import pytest

from platforms.local import service_log


def test_the_last_lines_since_a_start_are_found_in_a_log_of_any_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "deep" / "x.log"
    with service_log.opened(log) as file:
        file.write(b"of before\n")
    since = log.stat().st_size
    assert service_log.last_lines(log, since, 2) == ""
    with service_log.opened(log) as file:
        file.write(b"one\ntwo\nthree\n")
    assert service_log.last_lines(log, since, 5) == "one\ntwo\nthree"
    assert service_log.last_lines(log, since, 2) == "two\nthree"
    monkeypatch.setattr(service_log, "READ", 8)
    assert service_log.last_lines(log, since, 5).endswith("three")
    assert "one" not in service_log.last_lines(log, since, 5)


def test_a_log_that_is_too_long_is_put_aside_at_its_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_log, "LIMIT", 3)
    log = tmp_path / "x.log"
    for text in (b"one", b"two", b"three", b"four"):
        with service_log.opened(log) as file:
            file.write(text)
    assert (log.read_bytes(), log.with_suffix(".log.1").read_bytes()) == (b"four", b"three")
