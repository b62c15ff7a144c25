from __future__ import annotations

from pathlib import Path

import pytest

from scoring_service.keys import Keys, KeysError, KeysFile


def test_every_key_names_its_holder(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("old abc\n\nnew  xyz\n")
    keys = Keys.read(file)
    assert [keys.holder(b"Bearer abc"), keys.holder(b"bearer xyz ")] == ["old", "new"]


@pytest.mark.parametrize(
    "given", [None, b"", b"Bearer", b"Bearer ab", b"Basic abc", b"abc", b"Bearer abc, Bearer abc"]
)
def test_anything_else_has_none(given: bytes | None) -> None:
    assert Keys({"old": b"abc"}).holder(given) is None


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "holds no key"),
        ("\n \n", "holds no key"),
        ("a secret extra", "line 1"),
        ("a secret\na b", "line 2.*`a`"),
        ("ä", "read"),
    ],
)
def test_a_useless_file_is_named_without_its_keys(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "keys"
    file.write_text(content)
    with pytest.raises(KeysError, match=named) as refused:
        Keys.read(file)
    assert str(file) in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="none cannot be read"):
        Keys.read(tmp_path / "none")


def test_a_changed_file_is_read_again_and_a_useless_one_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("old abc\n")
    watched = KeysFile(file)
    assert not watched.refresh()
    _replace(file, "old abc\nnew xyz\n")
    assert watched.refresh()
    assert [watched.keys.holder(b"Bearer abc"), watched.keys.holder(b"Bearer xyz")] == ["old", "new"]
    _replace(file, "")
    with pytest.raises(KeysError):
        watched.refresh()
    assert not watched.refresh()
    assert watched.keys.holder(b"Bearer xyz") == "new"
    file.unlink()
    with pytest.raises(KeysError, match="cannot be read"):
        watched.refresh()
    assert not watched.refresh()


def _replace(file: Path, content: str) -> None:
    (file.parent / "next").write_text(content)
    (file.parent / "next").replace(file)
