"""Where a model comes from: the tags that every training run and model version carries."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from platforms.protocols import DatasetVersion, TrainingJob

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK_FILE: Final = ROOT / "requirements.lock"


def tags(data: DatasetVersion, job: TrainingJob, metrics: Mapping[str, float], flow_run: str) -> dict[str, str]:
    """Lineage as flat strings: code, data, run, parameters, metrics and locked environment."""
    return {
        "git_commit": _git("rev-parse", "HEAD") or "unknown",
        "git_tree": _tree_state(),
        "dataset_version": str(data.version),
        "dataset_fingerprint": data.fingerprint,
        "flow_run": flow_run,
        "parameters": json.dumps(dict(job.parameters), sort_keys=True),
        "metrics": json.dumps(dict(metrics), sort_keys=True),
        "environment_lock": _sha256(LOCK_FILE),
    }


def _tree_state() -> str:
    """`clean`, `dirty`, or `unknown` where the code is no git checkout."""
    changes = _git("status", "--porcelain")
    if changes is None:
        return "unknown"
    return "dirty" if changes else "clean"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


@cache
def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
