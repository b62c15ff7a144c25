"""Where a model comes from: the tags that every training run and model version carries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from platforms.values import DatasetVersion, Parameter
from tasks import revision

LOCK_FILE: Final = revision.ROOT / "requirements.lock"
JOB: Final = "job"
"""The tag that names the training job."""


def tags(
    data: DatasetVersion, job: str, parameters: Mapping[str, Parameter], metrics: Mapping[str, float], flow_run: str
) -> dict[str, str]:
    """Lineage as flat strings: code, data, job, run, all parameters, metrics and locked environment."""
    return {
        "git_commit": revision.commit() or "unknown",
        "git_tree": revision.tree_state(),
        "dataset_version": str(data.version),
        "dataset_fingerprint": data.fingerprint,
        JOB: job,
        "flow_run": flow_run,
        "parameters": json.dumps(dict(parameters), sort_keys=True),
        "metrics": json.dumps(dict(metrics), sort_keys=True),
        "environment_lock": _sha256(LOCK_FILE),
    }


@cache
def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
