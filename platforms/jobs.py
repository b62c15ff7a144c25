"""What a training job is on every platform: its command line, its result, and the words of its failure."""

from __future__ import annotations

from typing import Final

from platforms.errors import JobFailedError
from platforms.lines import Lines
from platforms.values import TrainingJob

RESULT: Final = "result.json"
"""What `training.outputs.RESULT` says: a folder that has it is complete."""


def arguments(job: TrainingJob) -> list[str]:
    """The arguments of `python -m training` that say what to do; the places, `--table` and `--out`, are missing."""
    parameters = [f"--param={name}={value}" for name, value in job.parameters.items()]
    code = [f"--code={name}={value}" for name, value in job.code.items()]
    return ["--recipe", job.recipe, "--dataset-version", str(job.dataset_version), *parameters, *code]


def failure(job: TrainingJob, reason: str, log: object, lines: Lines) -> JobFailedError:
    """The error of a job that ended for `reason`, with the last lines of `log`."""
    text = "\n".join(lines.last)
    return JobFailedError(f"training job {job.name} failed: {reason}. Last lines of {log}:\n{text}")
