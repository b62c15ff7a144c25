from __future__ import annotations

from pathlib import Path

from platforms.platform import Platform
from tasks.landing import land


def test_what_waits_is_not_landed_again(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "a b.csv"
    file.write_bytes(b"age\n1\n")
    first = land(file, "diabetes")
    assert land(file, "diabetes") == first
    assert platform.storage.list("landing/diabetes/") == [first]


def test_other_content_of_the_same_name_waits_beside_it(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"age\n1\n")
    first = land(file, "diabetes")
    file.write_bytes(b"age\n2\n")
    second = land(file, "diabetes")
    assert {blob.path for blob in platform.storage.list("landing/diabetes/")} == {first.path, second.path}


def test_what_was_filed_is_landed_anew(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"age\n1\n")
    first = land(file, "diabetes")
    platform.storage.move(first.path, "accepted/diabetes/x/rows.csv")
    assert land(file, "diabetes").etag != first.etag
