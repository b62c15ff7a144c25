"""The names under which Azure ML ran a job: it runs no name twice, so `x` tried again becomes `x-2`, then `x-3`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from platforms.azure.errors import translated
from platforms.azure.machine_learning import MachineLearning

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job


class Attempts:
    """The attempts of jobs in a workspace."""

    def __init__(self, workspace: MachineLearning) -> None:
        self._workspace = workspace

    def of(self, job: str) -> list[Job]:
        """Every attempt of a job, oldest first."""
        with translated(f"attempts of job {job}"):
            return list(self._found(job))

    def next_name(self, job: str, attempts: int) -> str:
        """The name of the attempt after so many."""
        return job if attempts == 0 else f"{job}-{attempts + 1}"

    def _found(self, job: str) -> Iterator[Job]:
        from azure.core.exceptions import ResourceNotFoundError

        for number in count():
            try:
                yield self._workspace.client.jobs.get(self.next_name(job, number))
            except ResourceNotFoundError:
                return
