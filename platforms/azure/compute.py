"""Training jobs on an Azure ML compute cluster.

A job's name is its identity there too. Whoever runs a job of that name follows it: the one that submitted it, one
that comes later, and one that comes after the first was killed. One that failed or was cancelled is tried again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from platforms import jobs
from platforms.azure import clients, costs, run_history
from platforms.azure.attempts import Attempts
from platforms.azure.errors import line
from platforms.azure.folders import Folders
from platforms.azure.machine_learning import MachineLearning
from platforms.azure.run_history import RunDetails, RunHistory, Waiting
from platforms.azure.tail import LAST_LOOKS, Tail
from platforms.azure.training_job import JobFactory, outputs_path
from platforms.errors import PlatformError
from platforms.lines import Lines, unheard
from platforms.values import TrainingJob

SUBMISSIONS: Final = 3
"""How often a job is submitted when its code could not be uploaded."""
NOT_UPLOADED: Final = (403, 409)
"""The address had expired, or a file is there already, because the answer was lost: the next upload replaces it."""


class AzureCompute:
    """The compute port: `python -m training` of the code in `root` on the cluster, for at most `timeout` seconds."""

    def __init__(self, workspace: MachineLearning, folders: Folders, root: Path, timeout: float) -> None:
        self._workspace = workspace
        self._folders = folders
        self._attempts = Attempts(workspace)
        self._factory = JobFactory(workspace, root, timeout)
        self._history = RunHistory(workspace)

    def run(
        self, job: TrainingJob, on_line: Callable[[str], None], on_status: Callable[[str], None] = unheard
    ) -> Path:
        """Run the job, or attach to the running or finished one of that name.

        Every log line goes to `on_line`, every change of its state to `on_status`.

        Returns:
            The folder with the job's outputs, downloaded.

        Raises:
            JobFailedError: The job failed, was cancelled or got no node in time; it ends with its last lines.
            PlatformError: Azure could not be asked any more; the job goes on, and the next run attaches to it.
        """
        lines = Lines(on_line)
        name, is_new = self._attempt(job)
        with self._cancelled_on_exception(name):
            if is_new:
                self._submit(job, name)
            details = self._follow(job, name, lines, Waiting(name, on_status))
        if details.ended_badly:
            raise jobs.failure(job, _reason(name, details), self._page(name), lines)
        return self._outputs(job, name, details, lines)

    def _attempt(self, job: TrainingJob) -> tuple[str, bool]:
        """The name under which the job runs, has run or shall run, and whether it must be submitted."""
        attempts = self._attempts.of(job.name)
        if attempts and not self._is_lost(attempts[-1].name, attempts[-1].status):
            return attempts[-1].name, False
        return self._attempts.next_name(job.name, len(attempts)), True

    def _is_lost(self, name: str, status: str) -> bool:
        """Whether an attempt will never give outputs."""
        complete = f"{outputs_path(name)}/{jobs.RESULT}"
        return status in run_history.DEAD or (status == run_history.COMPLETED and not self._folders.exists(complete))

    def _submit(self, job: TrainingJob, name: str) -> None:
        """Submit the job. The request is a PUT under its name, so that sent twice it still is one job."""
        from azure.core.exceptions import HttpResponseError

        with tempfile.TemporaryDirectory() as scratch:
            for attempt in range(SUBMISSIONS):
                made = self._factory.make(job, name, Path(scratch, str(attempt)))
                try:
                    self._workspace.client.jobs.create_or_update(made)
                    return
                except HttpResponseError as error:
                    if error.status_code not in NOT_UPLOADED or attempt == SUBMISSIONS - 1:
                        raise

    def _follow(self, job: TrainingJob, name: str, lines: Lines, waiting: Waiting) -> RunDetails:
        """Hand on the job's lines until it is over; raises `JobFailedError` if it waits too long."""
        tails = {log: Tail(self._workspace.settings, lines) for log in run_history.LOGS}
        looks = 0
        while True:
            details = self._history.details(name)
            if waiting.seconds(details.status) > self._workspace.settings.queue_timeout:
                raise jobs.failure(job, self._why_waiting(name, details), self._page(name), lines)
            read = [tail.read(details.logs[log]) for log, tail in tails.items() if log in details.logs]
            looks += details.is_over
            if details.is_over and (all(read) or looks == LAST_LOOKS):
                lines.end()
                return details
            time.sleep(self._workspace.settings.poll_seconds)

    def _why_waiting(self, name: str, details: RunDetails) -> str:
        settings = self._workspace.settings
        told = "; ".join(self._history.allocation_errors()) or "Azure tells no error: see its quota and its nodes"
        return (
            f"job {name} got no further than {details.status} for {settings.queue_timeout:g} s and is cancelled "
            f"(RIDGELINE_AZURE_QUEUE_TIMEOUT). Compute cluster {settings.cluster}: {told}"
        )

    @contextmanager
    def _cancelled_on_exception(self, name: str) -> Iterator[None]:
        """Cancel the job if the caller is interrupted; not if Azure cannot be asked, for then it may well go on."""
        from azure.core.exceptions import AzureError

        try:
            yield
        except AzureError as error:
            where, page = self._workspace.settings.workspace, self._page(name)
            raise PlatformError(
                f"Azure ML job {name} in workspace {where}: {line(str(error))}. "
                f"If it was submitted, it goes on: see {page}, and run the same again to attach to it"
            ) from error
        except BaseException:
            with suppress(AzureError):
                self._workspace.client.jobs.begin_cancel(name, **clients.REPEATABLE)
            raise

    def _outputs(self, job: TrainingJob, name: str, details: RunDetails, lines: Lines) -> Path:
        folder = self._folders.download(outputs_path(name))
        if not (folder / jobs.RESULT).is_file():
            raise jobs.failure(job, f"job {name} completed without a {jobs.RESULT}", self._page(name), lines)
        costs.usage(self._workspace.settings, details).write(folder)
        return folder

    def _page(self, name: str) -> str:
        return self._workspace.studio_url(f"runs/{name}")


def _reason(name: str, details: RunDetails) -> str:
    ended = "was cancelled" if details.status == "Canceled" else "failed"
    return f"job {name} {ended}" + (f": {details.error}" if details.error else "")
