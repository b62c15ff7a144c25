"""What is logged of a request, and what happens when it cannot be: refuse to answer, or answer and count.

Records are written at once for all that is answered together, before the first of its answers (`turn`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import Final, TypeAlias
from zlib import crc32

import msgspec

from scoring_service.context import Context
from scoring_service.events import emit
from scoring_service.group_sync import GroupSync
from scoring_service.matrix import Matrix
from scoring_service.messages import Answer, Response
from scoring_service.problem import ProblemError
from scoring_service.request_log import Line, Origin, PackedRows, RequestLog, disk_error
from scoring_service.rows import Row, record_type
from scoring_service.settings import Settings

ALARM_SECONDS: Final = 60.0
HASHES: Final = 2**32
Answered: TypeAlias = tuple[str, Sequence[Row], Sequence[float], float, str]
"""Request id, rows, outputs, start of the work on it (`perf_counter`, s), id of the key."""


class Recorder:
    """Logs answered requests. `lost` counts those answered without, `refused` those refused, `failures` both."""

    def __init__(self, context: Context, settings: Settings, log: RequestLog | None) -> None:
        self.log = log
        self.lost = 0
        self.failures = 0
        self.refused = 0
        self._settings = settings
        self._origin = Origin(
            settings.environment, context.schema.recipe, settings.model_version, settings.image_digest
        )
        self._refuse = settings.log_failure == "refuse"
        self._below = round(settings.log_sample * HASHES)
        self._alarmed = float("-inf")
        kept = _kept(context, settings)
        self._columns = [context.schema.names[index] for index in kept]
        self._record = record_type([context.schema.features[index] for index in kept])
        self._kept = kept if len(kept) < len(context.schema.features) else None
        self._answered: list[Answered] = []
        self._answers: list[Response] = []
        self._sync = GroupSync(log, self.flush, self._on_sync_error) if log is not None and log.durable else None

    @property
    def durable(self) -> bool:
        """Whether records go to the disk before answers are sent."""
        return self._sync is not None

    def record(self, answered: Answered, response: Response) -> Answer:
        """Take the record of a request, unless its id is not in the sample, and say when to answer.

        The response may be sent after the next `flush`, which makes it a refusal if the record cannot be written; or,
        if records go to the disk first, it comes when this one is there.
        """
        if self.log is None or not self.sampled(answered[0]):
            return response
        self._answered.append(answered)
        self._answers.append(response)
        return response if self._sync is None else self._sync.after_sync(response)

    def write(self, answered: Sequence[Answered]) -> Response | None:
        """Write the records of requests that are answered after it, of those that are `sampled`; not if `durable`.

        Returns the refusal that takes the place of the answers to these if they cannot be written, and must be.
        """
        if self._below < HASHES:
            answered = [one for one in answered if self.sampled(one[0])]
        if self.log is None or not answered:
            return None
        try:
            self.log.extend(self._lines(answered))
        except Exception as error:
            return self._failed(disk_error(error), len(answered))
        return None

    def sampled(self, request_id: str) -> bool:
        """Whether a request with this id is logged."""
        return self._below == HASHES or crc32(request_id.encode()) < self._below

    def flush(self) -> None:
        """Write what was recorded since the last time."""
        if self.log is None or not self._answered:
            return
        answered, answers = self._answered, self._answers
        self._answered, self._answers = [], []
        try:
            self.log.extend(self._lines(answered))
        except Exception as error:
            for answer in answers:
                self._fail(disk_error(error), answer)

    def tick(self) -> None:
        """Close a log segment that is due. What was answered is on the disk already where that was asked for."""
        if self.log is not None:
            with self._alarming():
                self.log.rotate()

    def close(self) -> None:
        """Close the log."""
        self.flush()
        if self._sync is not None:
            self._sync.close()
        if self.log is not None:
            with self._alarming():
                self.log.close()

    def _lines(self, answered: Sequence[Answered]) -> list[Line]:
        inputs, record, whole = self._inputs, self._record, self._kept is None
        time, now = self._origin.at(datetime.now(UTC)), perf_counter()
        # One row with all its columns is what nearly all requests are: it is made here, without a call.
        return [
            Line(
                request_id,
                time,
                [record(*rows[0])] if whole and len(rows) == 1 else inputs(rows),
                outputs,
                now - started,
                key_id,
            )
            for request_id, rows, outputs, started, key_id in answered
        ]

    def _inputs(self, rows: Sequence[Row]) -> list[msgspec.Struct] | PackedRows:
        record, kept = self._record, self._kept
        if type(rows) is Matrix:
            values = rows.values if kept is None else rows.values[:, kept]
            return PackedRows(len(rows), self._columns, values.astype("<f8", copy=False).tobytes())
        if kept is None:
            return [record(*row) for row in rows]
        return [record(*[row[index] for index in kept]) for row in rows]

    def _fail(self, error: OSError, answer: Response) -> None:
        """Turn an answer that nobody has seen yet into a refusal, if requests must be logged."""
        refusal = self._failed(error, 1)
        if refusal is not None:
            answer.status, answer.body = refusal.status, refusal.body
            answer.content_type, answer.headers = refusal.content_type, refusal.headers

    def _failed(self, error: OSError, records: int) -> Response | None:
        """Count records that cannot be written; returns the refusal of their requests, if they must be logged."""
        self.failures += records
        self._alarm(error)
        if not self._refuse:
            self.lost += records
            return None
        self.refused += records
        detail = f"the request cannot be logged: {error.strerror}"
        return ProblemError(503, detail, headers=b"retry-after: 5\r\n", kind="log").response(v2=True)

    def _on_sync_error(self, error: OSError, response: Response) -> Response:
        self._fail(error, response)
        return response

    @contextmanager
    def _alarming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._alarm(error)

    def _alarm(self, error: OSError) -> None:
        now = perf_counter()
        if now - self._alarmed >= ALARM_SECONDS:
            self._alarmed = now
            emit(
                "error",
                f"requests cannot be logged: {error.strerror}; make room in, or mount for writing, the log folder",
                log_dir=self._settings.log_dir,
                log_failure=self._settings.log_failure,
                failures=self.failures,
            )


def _kept(context: Context, settings: Settings) -> list[int]:
    names = context.schema.names
    redacted = [name.strip() for name in settings.log_redact.split(",") if name.strip()]
    if unknown := sorted(set(redacted) - set(names)):
        # One list serves the replicas of all recipes, so a name may be another's.
        emit("warning", f"SCORING_LOG_REDACT names {unknown}, which are no features here; there are {names}")
    return [index for index, name in enumerate(names) if name not in redacted]
