"""The demo as a newcomer runs it, in a clone of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from platforms.local import postgres
from platforms.settings import ROOT
from tests.installation import Installation

STORY = (
    "a first batch of 120 rows lands",
    "retrain diabetes: Registered - first model: there is no champion to compare with",
    "release diabetes: released - model version 1: passed the API tests in qa and prod",
    "the remaining rows land",
    "validate-data diabetes: Accepted - dataset version 2 with 442 rows",
    "retrain diabetes: Registered - the lower 90% bound of the improvement is",
    "release diabetes: released - model version 2: passed the API tests in qa and prod",
    "retrain diabetes: NotPromoted - the lower 90% bound of the improvement is -",
    "registered   version 1: mse ",
    "registered   version 2: mse ",
    "rejected     candidate: mse ",
    "serves diabetes:2-",
    'its answer   {"result":[',
    "everything that was started is stopped again",
)
"""What it tells, in this order."""


@pytest.mark.long
def test_the_demo_tells_its_story_twice_and_leaves_nothing_running(tmp_path: Path) -> None:
    demo = Installation(tmp_path, root=cloned(tmp_path / "clone"))
    demo.state = demo.root / ".ridgeline" / "demo"
    demo.environment["PYTHONPATH"] = str(demo.root)
    try:
        for _ in range(2):
            done = demo.run("demo", timeout=400)
            assert done.returncode == 0, done.stdout + done.stderr
            assert re.search(".*".join(map(re.escape, STORY)), done.stdout, re.DOTALL), done.stdout
            assert demo.processes() == []
        assert not (tmp_path / "state").exists(), "it has a state of its own, whatever the settings say"
    finally:
        postgres.wipe(demo.state)


def cloned(folder: Path) -> Path:
    """The code as it stands, changes that are not committed included."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder
