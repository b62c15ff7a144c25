"""The ports between Ridgeline and the place it runs on. Read this file first.

Tasks know nothing of `platforms.local` and `platforms.azure`, which implement these protocols: `platforms.selection`
chooses one of them. So a task behaves the same on every platform and can be tested
against one in a temporary folder.

Three laws hold for every implementation:

* Writes are atomic: a reader sees the old value or the new one, never a part of it.
* Writes are idempotent: the same call twice leaves the same state as once.
* Where two writers can race, the call names the state it expects, and exactly one of them wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from platforms.values import (
    Blob,
    Change,
    DatasetVersion,
    EndpointSpec,
    EndpointStatus,
    Environment,
    Image,
    JournalEntry,
    ModelVersion,
    Parameter,
    ScoredRequest,
    TrainingJob,
)


class Storage(Protocol):
    """Blobs by path: `landing/`, `accepted/`, `quarantine/`, `duplicate/`, `logs/`, `scoring-logs/`."""

    def list(self, prefix: str) -> list[Blob]:
        """Every blob below `prefix`, ordered by path."""
        ...

    def stat(self, path: str) -> Blob:
        """One blob; raises `NotFoundError`."""
        ...

    def open(self, path: str) -> BinaryIO:
        """A seekable reader of one blob; raises `NotFoundError`."""
        ...

    def write(self, path: str, content: bytes) -> Blob:
        """Store `content`, replacing what was there."""
        ...

    def upload(self, source: Path, path: str) -> Blob:
        """Store a file of any size, replacing what was there."""
        ...

    def move(self, blob: Blob, target: str) -> Blob:
        """Give a blob another path; a move that was already made is no error.

        Raises `ConflictError` if something else is at the blob's path by now, which stays, or `NotFoundError`.
        """
        ...


class Arrivals(Protocol):
    """What other systems tell: a blob landed, a model was registered. The fast path; the record are the facts."""

    def handle(self, act: Callable[[Blob | ModelVersion], bool]) -> None:
        """Give `act` each thing that is told, one after the other, until nothing waits.

        True means done: it is not told again. False means not yet: it comes back later. What `act` raises ends the
        call, and the thing comes back later; one that never gets done may be set aside with the reason.
        """
        ...


class DatasetStore(Protocol):
    """One append-only, versioned table per recipe."""

    def append(self, recipe: str, rows: Path, batch_id: str) -> DatasetVersion:
        """Commit a batch, an Arrow file, in one transaction and return the newest version, which holds it.

        A batch that was accepted before, by its `batch_id` or as exactly these rows, appends nothing: then the
        current version is returned.
        """
        ...

    def contains(self, recipe: str, batch_id: str) -> bool:
        """Whether the batch was accepted before."""
        ...

    def origin(self, recipe: str, batch: str) -> int | None:
        """The version that an accepted batch made, by its id or by the fingerprint of its rows; None if unknown."""
        ...

    def version(self, recipe: str, version: int | None = None) -> DatasetVersion:
        """The named or newest version; raises `NotFoundError`."""
        ...


class Compute(Protocol):
    """Where training jobs run."""

    def run(self, job: TrainingJob, on_line: Callable[[str], None], on_status: Callable[[str], None] = ...) -> Path:
        """Run the job, or attach to the running or finished one of that name.

        Every log line goes to `on_line`, and to `on_status` what the compute says of the job that is not its log:
        that it waits for a machine, that it began.

        Returns the local folder with the job's outputs (`training.outputs` names the files) and what it took
        (`platforms.usage.Usage`). An exception raised in the caller, cancellation included, ends the job. Raises
        `JobFailedError`.
        """
        ...


class Registry(Protocol):
    """Registered models and the champion pointer."""

    def record(self, job: TrainingJob, outputs: Path, tags: Mapping[str, str]) -> str:
        """Put a training run into the run history, whatever becomes of it; returns the run's page."""
        ...

    def register(self, job: TrainingJob, outputs: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Make the job's model the next version; a job that was registered before returns its version."""
        ...

    def get(self, recipe: str, version: int) -> ModelVersion:
        """One model version; raises `NotFoundError`."""
        ...

    def versions(self, recipe: str) -> list[ModelVersion]:
        """Every version, oldest first."""
        ...

    def outputs(self, recipe: str, version: int) -> Path:
        """A local folder with the training job's outputs of that version."""
        ...

    def url(self, recipe: str, version: int) -> str:
        """Where a person looks at the version."""
        ...

    def champion(self, recipe: str) -> ModelVersion | None:
        """The model version in production, or None before the first release."""
        ...

    def promote(self, recipe: str, version: int, expected: int | None) -> None:
        """Point the champion at `version` if it still is `expected`; else raises `ConflictError`."""
        ...


class ImageBuilder(Protocol):
    """Builds scoring images, once per digest."""

    def build(self, context: Path, recipe: str, model_version: int, on_line: Callable[[str], None] = ...) -> Image:
        """Build the context folder, or give the image that was built of that digest before.

        Every line of the build's log goes to `on_line`.
        """
        ...

    def exists(self, image: Image) -> bool:
        """Whether the image was built and still is there."""
        ...


class Endpoints(Protocol):
    """Where images serve: desired state in, observed state out."""

    def apply(self, spec: EndpointSpec) -> EndpointStatus:
        """Make the endpoint serve `spec` to who has one of its keys of now, and return when all replicas do.

        Raises `NotReadyError` with their logs.
        """
        ...

    def status(self, recipe: str, environment: Environment) -> EndpointStatus | None:
        """What the endpoint serves now; None if it serves nothing."""
        ...

    def is_applied(self, spec: EndpointSpec) -> bool:
        """Whether `apply` would change nothing: all is ready, with this image and today's settings of the service."""
        ...

    def withdraw(self, recipe: str, environment: Environment) -> None:
        """Stop serving; an endpoint that serves nothing stays so."""
        ...

    def rest(self, recipe: str, environment: Environment) -> bool:
        """The tests there are over: do what the settings want then; True if nothing is left that serves."""
        ...


class TrafficLog(Protocol):
    """The scoring service's request log, shipped or not yet."""

    def read(self, recipe: str, since: datetime, until: datetime) -> Iterator[ScoredRequest]:
        """Every acknowledged request in `[since, until)`, each once."""
        ...


class Secrets(Protocol):
    """Secret values by name; names may appear in logs, values never."""

    def get(self, name: str) -> str:
        """The value; raises `NotFoundError`."""
        ...

    def create(self, name: str, value: str) -> str:
        """Store `value` unless the secret exists; returns the value that is stored now."""
        ...


class Lock(Protocol):
    """Who holds what. Owners are flow-run ids, so a lock outlives a suspended run's process."""

    def owner(self, name: str) -> str | None:
        """The holder, or None."""
        ...

    def swap(self, name: str, expected: str | None, owner: str | None) -> bool:
        """Compare-and-set: hand the lock from `expected` to `owner`; False if somebody else holds it."""
        ...


class Journal(Protocol):
    """Append-only record per recipe; each entry carries the hash of the one before, so a change shows."""

    def append(
        self,
        recipe: str,
        action: str,
        *,
        reason: str,
        flow_run: str,
        model_version: int | None = None,
        environment: Environment | None = None,
        image: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> JournalEntry:
        """Seal and store a decision; one that this flow run recorded already is returned as it stands."""
        ...

    def entries(self, recipe: str) -> list[JournalEntry]:
        """Every entry, oldest first; raises `PlatformError` naming the first one whose hash does not fit."""
        ...


class Telemetry(Protocol):
    """Where results of flows go for dashboards and alerts."""

    def emit(self, name: str, fields: Mapping[str, Parameter]) -> None:
        """Record one measurement or outcome; never raises, a lost one loses no fact."""
        ...


class Infrastructure(Protocol):
    """What has to exist once before anything can run. The order of a plan is the order of creation."""

    @property
    def name(self) -> str:
        """What holds everything, and what a person has to type before it is destroyed; empty if there is nothing."""
        ...

    def plan(self) -> list[Change]:
        """What `apply` would do with each resource; touches nothing."""
        ...

    def apply(self, resource: str) -> Change:
        """Make one resource of the plan as it shall be, and return what had to be done.

        What others have set beside it stays. Raises `PlatformError` naming the resource; the next call goes on.
        """
        ...

    def chosen(self) -> Mapping[str, str]:
        """Settings whose values were chosen while it was made, by variable: what a person puts into `.env`."""
        ...

    def destroy(self) -> None:
        """Delete everything that the plan names, with all data in it."""
        ...
