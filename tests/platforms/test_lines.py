from __future__ import annotations

from platforms.lines import Lines


def test_lines_come_whole_however_the_log_is_cut() -> None:
    seen: list[str] = []
    lines = Lines(seen.append)
    for content in (b"fi", b"rst\r\nse", b"cond\nth\xc3", b"\xa9", b"\xff"):
        lines.feed(content)
    assert seen == ["first", "second"]
    lines.end()
    lines.end()
    assert seen == ["first", "second", "thé\ufffd"]
