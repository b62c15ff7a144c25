from __future__ import annotations

import os
from pathlib import Path

import pytest

from platforms.errors import PlatformError
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
    platform.storage.move(first, "accepted/diabetes/x/rows.csv")
    assert land(file, "diabetes").etag != first.etag


def test_a_name_that_is_no_text_is_refused(platform: Platform, tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv"))
    file.write_bytes(b"age\n1\n")
    with pytest.raises(PlatformError, match=r"caf.*\.csv' is no UTF-8: rename it"):
        land(file, "diabetes")
    assert platform.storage.list("landing/") == []
