"""The scoring core: rows in, predictions out, a log record before the answer. It knows no protocol."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain, count
from math import isfinite
from time import perf_counter
from typing import Final

import msgspec
import numpy as np

from scoring_service.context import Context
from scoring_service.messages import Request, Response
from scoring_service.problem import FieldError, ProblemError
from scoring_service.request_log import LogRecord, RequestLog
from scoring_service.rows import Row, RowDecoder
from scoring_service.settings import Settings

SANE_ID: Final = re.compile(rb"[!-~]{1,128}")


class _Result(msgspec.Struct, gc=False):
    result: Sequence[float]


class Scorer:
    """Predicts with one model and logs what it answered."""

    def __init__(self, context: Context, settings: Settings, log: RequestLog | None) -> None:
        self._model = context.model
        self._name = context.schema.recipe
        self._settings = settings
        self.log = log
        self._rows = RowDecoder(context.schema, settings.max_rows)
        self._encode = msgspec.json.Encoder().encode
        self._process = os.urandom(8).hex()
        self._counter = count()

    def score(self, request: Request, key_id: str) -> Response:
        """Answer a body of `POST /score`; raises `ProblemError`."""
        started = perf_counter()
        rows = self._rows.decode(request.body)
        outputs = self.predict(rows)
        request_id = self._request_id(request)
        self._record(request_id, rows, outputs, started, key_id)
        return Response(200, self._encode(_Result(outputs)), headers=b"x-request-id: %s\r\n" % request_id.encode())

    def predict(self, rows: Sequence[Row]) -> list[float]:
        """One prediction per row; raises `ProblemError` naming rows whose prediction is no finite number."""
        if len(rows) == 1:
            outputs = [self._model.predict_one(rows[0])]
        else:
            values = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * len(rows[0]))
            outputs = self._model.predict(values.reshape(len(rows), -1)).tolist()
        if not all(map(isfinite, outputs)):
            raise ProblemError.of_rows(
                [FieldError("the prediction is not finite", row) for row, y in enumerate(outputs) if not isfinite(y)]
            )
        return outputs

    def _request_id(self, request: Request) -> str:
        given = request.headers.get(b"x-request-id")
        if given is not None and SANE_ID.fullmatch(given):
            return given.decode()
        return f"{self._process}{next(self._counter):012x}"

    def _record(
        self, request_id: str, rows: Sequence[Row], outputs: Sequence[float], started: float, key_id: str
    ) -> None:
        if self.log is None:
            return
        settings = self._settings
        record = LogRecord(
            request_id=request_id,
            time=datetime.now(UTC),
            environment=settings.environment,
            model=self._name,
            version=settings.model_version,
            image=settings.image_digest,
            inputs=self._rows.records(rows),
            outputs=outputs,
            latency=perf_counter() - started,
            key_id=key_id,
        )
        try:
            self.log.append(record)
        except OSError as error:
            raise ProblemError(503, f"the request cannot be logged: {error.strerror}") from error
