"""Where a model comes from: the tags that every training run and model version carries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from platforms.settings import ROOT
from platforms.values import DatasetVersion
from tasks import revision

LOCK_FILE: Final = ROOT / "requirements.lock"
CODE: Final = ("git_commit", "git_tree", "environment_lock")
"""The tags that tell what a job ran with."""
UNKNOWN: Final = "unknown"
JOB: Final = "job"
"""The tag that names the training job."""


def code() -> dict[str, str]:
    """What a job that is submitted now runs with: commit, whether files differ from it, locked environment."""
    found = (revision.commit() or UNKNOWN, revision.tree_state(), _sha256(LOCK_FILE))
    return dict(zip(CODE, found, strict=True))


def tags(
    data: DatasetVersion, job: str, result: Mapping[str, Any], metrics: Mapping[str, float], flow_run: str
) -> dict[str, str]:
    """Lineage as flat strings: code, data, job, run, all parameters, metrics and locked environment.

    Code and parameters are those in the job's `result`: it may have run for an earlier run, at another commit.
    """
    ran_with = result.get("code", {})
    return {
        **{name: ran_with.get(name, UNKNOWN) for name in CODE},
        "dataset_version": str(data.version),
        "dataset_fingerprint": data.fingerprint,
        JOB: job,
        "flow_run": flow_run,
        "parameters": json.dumps(result["parameters"], sort_keys=True),
        "metrics": json.dumps(dict(metrics), sort_keys=True),
    }


@cache
def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
