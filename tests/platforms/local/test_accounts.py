from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from platforms.local import accounts
from platforms.local.accounts import Account


def test_only_root_runs_services_as_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert accounts.unprivileged() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert accounts.unprivileged() == Account(pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)


def test_a_closed_parent_is_in_the_way(tmp_path: Path) -> None:
    account = Account(65534, 65534)
    assert account.reaches(Path("/tmp"))
    assert account.reaches(Path("/tmp/ridgeline-that-is-not-there/state"))
    (tmp_path / "closed" / "inner").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not account.reaches(tmp_path / "closed" / "inner")


def test_an_owned_folder_is_closed_to_all_others(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    Account(os.geteuid(), os.getegid()).owns(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
