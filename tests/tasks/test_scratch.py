from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from platforms.settings import Settings
from tasks.scratch import PREFIX, SETTLED, scratch

ROOT = Path(__file__).parents[2]
KILLED = "import os, signal\nfrom tasks.scratch import scratch\nwith scratch(): os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def parent(settings: Settings) -> Path:
    return settings.state_dir / "tmp"


def age(folder: Path) -> None:
    then = folder.stat().st_mtime - SETTLED - 1
    os.utime(folder, (then, then))


def test_the_folder_is_gone_at_the_end_also_of_a_failure(parent: Path) -> None:
    with pytest.raises(ValueError, match="x"), scratch() as folder:  # noqa: PT012  the folder must be seen inside
        (folder / "rows").write_text("1")
        raise ValueError("x")
    assert list(parent.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_what_lives_is_not(parent: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    [left] = parent.glob(f"{PREFIX}*")
    with scratch() as young:
        assert left.is_dir()
        age(left)
        age(young)
        with scratch():
            assert young.is_dir()
            assert not left.exists()
