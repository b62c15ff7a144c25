"""One training job on the platform's compute, and what it left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefect import task

from platforms.selection import current
from platforms.usage import Usage
from platforms.values import DatasetVersion, Parameter, TrainingJob
from tasks import archive, lineage
from tasks.run import run_id, run_logger
from training import outputs


@dataclass(frozen=True)
class Candidate:
    """A trained model that the gate has not judged yet: the job, its outputs folder, metrics and lineage tags.

    `usage` is what the job took where it ran, None if the platform does not say; `page` shows the job in the
    registry's history.
    """

    job: TrainingJob
    outputs: Path
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    usage: Usage | None
    page: str


@task
def train_candidate(
    data: DatasetVersion, parameters: Mapping[str, Parameter] | None = None, automatic: bool = False
) -> Candidate:
    """Train on a pinned dataset version; the job's log streams into this run and is archived with it.

    What the compute says of the job besides, as that it waits for a machine, is only told.
    An automatic job is one per dataset version: a run that follows a killed one takes over its job, unless a person
    gave it parameters of its own. Any other is one per run and dataset version, which a run that is tried again has
    anew.
    Raises `JobFailedError` with the job's last lines.
    """
    platform, logger = current(), run_logger()
    shared = automatic and not parameters
    name = f"{data.recipe}-data-{data.version}" if shared else f"{data.recipe}-{run_id()}-data-{data.version}"
    asked = dict(parameters or {})
    job = TrainingJob(name, data.recipe, data.version, asked, {"flow_run": run_id()}, lineage.code())
    with archive.file_of(data.recipe, "training.log").open("w", encoding="utf-8", buffering=1) as log:

        def on_line(line: str) -> None:
            log.write(f"{line}\n")
            logger.info("%s", line)

        folder = platform.compute.run(job, on_line, lambda status: logger.info("%s", status))
    metrics = json.loads((folder / outputs.METRICS).read_text())
    result = json.loads((folder / outputs.RESULT).read_text())
    usage = Usage.read(folder)
    tags = lineage.tags(data, name, result, metrics, run_id()) | (usage.tags() if usage else {})
    page = platform.registry.record(job, folder, tags)
    return Candidate(job, folder, metrics, tags, usage, page)
