from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tasks import revision


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout of one commit, whatever the user's own configuration says."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "code.py").write_text("one\n")
    author = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    for arguments in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "one")):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    return tmp_path


def test_a_clean_clone_is_its_commit(clone: Path) -> None:
    commit = revision.commit(clone)
    assert commit
    assert len(commit) == 40
    assert (revision.version(clone), revision.tree_state(clone)) == (commit, "clean")


@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_a_changed_or_new_file_makes_it_dirty(clone: Path, name: str) -> None:
    (clone / name).write_text("two\n")
    assert revision.version(clone) == f"{revision.commit(clone)}-dirty"
    assert revision.tree_state(clone) == "dirty"


def test_code_without_git_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (revision.commit(tmp_path), revision.version(tmp_path)) == (None, None)
    assert revision.tree_state(tmp_path) == "unknown"


def test_a_machine_without_git_has_no_version(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert revision.version(clone) is None
