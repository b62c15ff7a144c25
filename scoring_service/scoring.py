"""The scoring core: rows in, predictions out, a log record before the answer. It knows no protocol but `/score`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from itertools import chain, count, islice, repeat
from math import isfinite
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from scoring_service.batching import Asked, Batcher, Render
from scoring_service.context import Context
from scoring_service.heads import Repeated
from scoring_service.matrix import MANY, Matrix
from scoring_service.messages import Answer, Request, Response, render, render_all
from scoring_service.problem import FieldError, ProblemError
from scoring_service.recording import Recorder
from scoring_service.refusal import RowsRefusedError
from scoring_service.rows import Row, RowDecoder
from scoring_service.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

SANE_ID: Final = re.compile(rb"[!-~]{1,128}")


class _Result(msgspec.Struct, gc=False):
    result: Sequence[float]


class Scorer:
    """Predicts with one model and records what it answered.

    `refuse` makes the answer to a request that failed after its handler had returned; the router sets it.
    """

    def __init__(self, context: Context, settings: Settings, recorder: Recorder) -> None:
        self.recorder = recorder
        self.refuse: Callable[[Request, Exception], Response] = _reraise
        self._model = context.model
        self._rows = RowDecoder.of(context.schema, settings.max_rows)
        self._real = context.schema.real
        self._matrix = _numbers if context.schema.numeric else _objects
        self._batcher = Batcher(self) if context.model.batched else None
        self._encode = msgspec.json.Encoder().encode
        self._process = f"{os.urandom(8).hex()}-"
        self._numbers = count()

    @property
    def later(self) -> bool:
        """Whether answers come later: when a batch is predicted, or the disk has the record."""
        return self._batcher is not None or self.recorder.durable

    def score(self, request: Request, key_id: str) -> Answer:
        """Answer a body of `POST /score`; raises `ProblemError`."""
        return self.answer(request, self._rows.decode(request.body), key_id, self._render)

    def score_all(self, asked: Sequence[Repeated], started: float, date: bytes) -> tuple[list[bytes], int]:
        """As `score` for requests none of which gives an id, step by step for all of them at once.

        They are recorded and rendered, with the line of the date; the number is how many are not refused because they
        cannot be recorded. Raises whatever else is wrong with any of them, and then none is recorded. Not if answers
        come `later`.
        """
        decode = self._rows.decode
        decoded = [decode(body) for _, _, body in asked]
        rows = [self._prepared(some) if len(some) >= MANY else some for some in decoded]
        one = self._model.predict_one
        outputs = [[one(some[0])] if len(some) == 1 else self.raw(some) for some in rows]
        # The sum may be infinite although no prediction is; then they are looked at one by one.
        if not isfinite(sum(chain.from_iterable(outputs))):
            raise ValueError("a prediction is not finite")
        process = self._process
        ids = [f"{process}{number}" for number in islice(self._numbers, len(asked))]
        encode = self._encode
        answers = render_all([encode(_Result(some)) for some in outputs], ids, date)
        keys = [head.key_id for _, head, _ in asked]
        refusal = self.recorder.write([*zip(ids, rows, outputs, repeat(started, len(ids)), keys, strict=True)])
        if refusal is None:
            return answers, len(answers)
        refused = render(refusal, date, bare=False)
        sampled = [*map(self.recorder.sampled, ids)]
        answers = [refused if out else answer for out, answer in zip(sampled, answers, strict=True)]
        return answers, sampled.count(False)

    def answer(
        self, request: Request, rows: Sequence[Row], key_id: str, render: Render, given_id: bytes | None = None
    ) -> Answer:
        """Predict, record, and let `render` answer: now, or with all that arrived in this turn of the event loop.

        The request's id in the log is its `x-request-id`, else `given_id`, where they are sane, else a new one.
        Raises `ProblemError`.
        """
        rows = self._prepared(rows)
        if self._batcher is not None:
            return self._batcher.add(Asked(request, rows, key_id, given_id, render))
        return self._record(request, rows, self.predict(rows), key_id, given_id, render)

    def predict(self, rows: Sequence[Row]) -> list[float]:
        """One prediction per row; raises `ProblemError` naming rows that have no finite one."""
        try:
            outputs = self.raw(rows)
        except RowsRefusedError as error:
            raise self._refusal(rows, error) from error
        _check_finite(outputs)
        return outputs

    def raw(self, rows: Sequence[Row]) -> list[float]:
        """One prediction per row, whatever number it is; raises `RowsRefusedError`."""
        if len(rows) == 1:
            return [self._model.predict_one(rows[0])]
        outputs: list[float] = self._model.predict(self._matrix(rows)).tolist()
        return outputs

    def finish(self, asked: Asked, outputs: list[float] | None) -> Answer:
        """Record the outputs, or first predict them if there are none, and answer; refuses by its answer."""
        request, rows, key_id, given_id, render = asked
        try:
            if outputs is None:
                outputs = self.predict(rows)
            _check_finite(outputs)
            return self._record(request, rows, outputs, key_id, given_id, render)
        except Exception as error:
            return self.refuse(request, error)

    def flush(self) -> None:
        """Write what was recorded; a refusal takes the place of an answer without a record."""
        self.recorder.flush()

    def _record(
        self,
        request: Request,
        rows: Sequence[Row],
        outputs: list[float],
        key_id: str,
        given_id: bytes | None,
        render: Render,
    ) -> Answer:
        request_id = self._request_id(request.headers.get(b"x-request-id", given_id))
        answered = request_id, rows, outputs, request.started, key_id
        return self.recorder.record(answered, render(outputs, request_id))

    def _render(self, outputs: list[float], request_id: str) -> Response:
        headers = f"x-request-id: {request_id}\r\n".encode()
        return Response(200, self._encode(_Result(outputs)), headers=headers)

    def _prepared(self, rows: Sequence[Row]) -> Sequence[Row]:
        return Matrix.of(rows) if len(rows) >= MANY and self._real else rows

    def _refusal(self, rows: Sequence[Row], error: RowsRefusedError) -> ProblemError:
        """Names the first of the rows that the model refuses; halves them until it is alone."""
        low, high = 0, len(rows)
        while high - low > 1:
            middle = (low + high) // 2
            try:
                self.raw(rows[low:middle])
                low = middle
            except RowsRefusedError as found:
                high, error = middle, found
        return ProblemError.of_rows([FieldError(f"the model refuses it: {error}", low)])

    def _request_id(self, given: bytes | None) -> str:
        if given is not None and SANE_ID.fullmatch(given):
            return given.decode()
        return f"{self._process}{next(self._numbers)}"


def _check_finite(outputs: list[float]) -> None:
    if not all(map(isfinite, outputs)):
        raise ProblemError.of_rows(
            [FieldError("the prediction is not finite", row) for row, y in enumerate(outputs) if not isfinite(y)]
        )


def _reraise(_request: Request, error: Exception) -> Response:
    raise error


def _numbers(rows: Sequence[Row]) -> NDArray[np.float64]:
    return Matrix.of(rows).values


def _objects(rows: Sequence[Row]) -> NDArray[np.object_]:
    return np.array(rows, dtype=np.object_)
