from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from platforms.errors import PlatformError
from platforms.journal import HashedJournal
from platforms.local.journal import file_journal
from platforms.values import JournalEntry
from tests.platforms.contracts.journal import JournalContract


class TestFileJournal(JournalContract):
    @pytest.fixture
    def journal(self, tmp_path: Path) -> HashedJournal:
        return file_journal(tmp_path / "journal")


def filled(folder: Path) -> tuple[HashedJournal, Path]:
    journal = file_journal(folder)
    for number in range(3):
        journal.append("r", "promote", reason=f"reason {number}", flow_run=f"f{number}", details={"mse": number})
    return journal, folder / "r.jsonl"


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (lambda lines: [lines[0].replace(b"reason 0", b"reason X"), *lines[1:]], 1),
        (lambda lines: [lines[0], lines[1].replace(b'"mse":1', b'"mse":2'), lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [lines[0], b"garbage", lines[2]], 2),
        (lambda lines: [lines[0], b'{"sequence":2}', lines[2]], 2),
        (lambda lines: [lines[0], lines[1].replace(b'{"action"', b'{ "action"'), lines[2]], 2),
    ],
    ids=["reason", "details", "first gone", "middle gone", "order", "twice", "garbage", "fields", "spelling"],
)
def test_tampering_names_the_entry(tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], number: int) -> None:
    journal, file = filled(tmp_path)
    file.write_bytes(b"".join(line + b"\n" for line in change(file.read_bytes().splitlines())))
    with pytest.raises(PlatformError, match=rf"^entry {number} of the journal .*r\.jsonl"):
        journal.entries("r")
    with pytest.raises(PlatformError, match=rf"^entry {number} of the journal"):
        journal.append("r", "a", reason="", flow_run="f9")


def test_only_new_lines_are_verified_unless_those_before_were_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    check = HashedJournal._check

    def count(self: HashedJournal, recipe: str, number: int, line: bytes, previous: str) -> JournalEntry:
        checked.append(number)
        return check(self, recipe, number, line, previous)

    monkeypatch.setattr(HashedJournal, "_check", count)
    journal, file = filled(tmp_path)
    before = journal.entries("r")
    assert checked == [1, 2, 3]
    file_journal(tmp_path).append("r", "next", reason="by another process", flow_run="f9")
    assert journal.entries("r")[:3] == before
    assert checked[-1] == 4
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"reason 1", b"reason X"))
    with pytest.raises(PlatformError, match=r"^entry 2 of the journal"):
        journal.entries("r")
    file.write_bytes(whole)
    assert len(journal.entries("r")) == 4


def test_a_forged_hash_breaks_the_next_entry(tmp_path: Path) -> None:
    journal, file = filled(tmp_path)
    other = file_journal(tmp_path / "other")
    other.append("r", "promote", reason="forged", flow_run="f0", details={"mse": 0})
    forged = (tmp_path / "other" / "r.jsonl").read_bytes().splitlines()[0]
    file.write_bytes(b"\n".join([forged, *file.read_bytes().splitlines()[1:], b""]))
    with pytest.raises(PlatformError, match=r"^entry 2 of the journal"):
        journal.entries("r")


def test_every_torn_last_line_is_forgotten_and_cut_off(tmp_path: Path) -> None:
    journal, file = filled(tmp_path)
    whole = file.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(whole) - 1, 7):
        file.write_bytes(whole[:end])
        assert len(journal.entries("r")) == 2
        assert journal.append("r", "next", reason="", flow_run="f").sequence == 3
        assert [json.loads(line)["sequence"] for line in file.read_bytes().splitlines()] == [1, 2, 3]


def test_a_last_line_that_only_lacks_its_newline_counts(tmp_path: Path) -> None:
    journal, file = filled(tmp_path)
    before = journal.entries("r")
    file.write_bytes(file.read_bytes()[:-1])
    assert journal.entries("r") == before
    journal.append("r", "next", reason="", flow_run="f")
    assert journal.entries("r")[:3] == before


def test_names_that_are_no_recipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"recipe '\.\./x' is no valid name"):
        file_journal(tmp_path).entries("../x")
