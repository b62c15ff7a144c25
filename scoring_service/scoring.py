"""The scoring core: rows in, predictions out, a log record before the answer. It knows no protocol but `/score`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import chain, count
from math import isfinite
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from scoring_service.context import Context
from scoring_service.messages import Answer, Request, Response
from scoring_service.problem import FieldError, ProblemError
from scoring_service.recording import Recorder
from scoring_service.rows import Row, RowDecoder
from scoring_service.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

SANE_ID: Final = re.compile(rb"[!-~]{1,128}")


class _Result(msgspec.Struct, gc=False):
    result: Sequence[float]


class Scorer:
    """Predicts with one model and records what it answered."""

    def __init__(self, context: Context, settings: Settings, recorder: Recorder) -> None:
        self.recorder = recorder
        self._model = context.model
        self._rows = RowDecoder(context.schema, settings.max_rows)
        self._matrix = _numbers if context.schema.numeric else _objects
        self._encode = msgspec.json.Encoder().encode
        self._process = os.urandom(8).hex()
        self._counter = count()

    def score(self, request: Request, key_id: str) -> Answer:
        """Answer a body of `POST /score`; raises `ProblemError`."""
        rows = self._rows.decode(request.body)
        outputs, request_id = self.run(request, rows, key_id)
        headers = b"x-request-id: %s\r\n" % request_id.encode()
        return self.recorder.commit(Response(200, self._encode(_Result(outputs)), headers=headers))

    def run(
        self, request: Request, rows: Sequence[Row], key_id: str, given_id: bytes | None = None
    ) -> tuple[list[float], str]:
        """Predict and record; returns one prediction per row, and the id of the request in the log.

        The id is the request's `x-request-id`, else `given_id`, where they are sane, else a new one.
        """
        outputs = self.predict(rows)
        request_id = self._request_id(request.headers.get(b"x-request-id", given_id))
        self.recorder.record(request_id, rows, outputs, request.started, key_id)
        return outputs, request_id

    def predict(self, rows: Sequence[Row]) -> list[float]:
        """One prediction per row; raises `ProblemError` naming rows whose prediction is no finite number."""
        if len(rows) == 1:
            outputs = [self._model.predict_one(rows[0])]
        else:
            outputs = self._model.predict(self._matrix(rows)).tolist()
        if not all(map(isfinite, outputs)):
            raise ProblemError.of_rows(
                [FieldError("the prediction is not finite", row) for row, y in enumerate(outputs) if not isfinite(y)]
            )
        return outputs

    def _request_id(self, given: bytes | None) -> str:
        if given is not None and SANE_ID.fullmatch(given):
            return given.decode()
        return f"{self._process}{next(self._counter):012x}"


def _numbers(rows: Sequence[Row]) -> NDArray[np.float64]:
    values = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * len(rows[0]))
    return values.reshape(len(rows), -1)


def _objects(rows: Sequence[Row]) -> NDArray[np.object_]:
    return np.array(rows, dtype=np.object_)
