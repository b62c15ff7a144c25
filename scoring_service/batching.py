"""Requests that are predicted together, because the model takes as long for many rows as for one.

All requests that arrive in one turn of the event loop are one batch. None waits for another: with one client a batch
has one request, and is predicted as soon as the loop has read what has arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from scoring_service.messages import Answer, Pending, Request, Response
from scoring_service.rows import Row

Render: TypeAlias = Callable[[list[float], str], Response]
"""Makes the answer of a protocol from the predictions and the request's id."""
MOST_ROWS: Final = 1024
"""Rows beyond which a further batch begins: more at once would be no cheaper, and answer the first ones later."""


class Asked(NamedTuple):
    """A request whose rows were read."""

    request: Request
    rows: Sequence[Row]
    key_id: str
    given_id: bytes | None
    render: Render


class Predictor(Protocol):
    """What a batch is made for."""

    def raw(self, rows: Sequence[Row]) -> list[float]:
        """One prediction per row, whatever number it is; raises what the model raises."""
        ...

    def finish(self, asked: Asked, outputs: list[float] | None) -> Answer:
        """Record the outputs, or first predict them if there are none, and answer; refuses by its answer."""
        ...

    def flush(self) -> None:
        """Write what was recorded; a refusal takes the place of an answer without a record."""
        ...


class Batcher:
    """Collects what was asked in one turn of the event loop."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._asked: list[tuple[Asked, Pending]] = []

    def add(self, asked: Asked) -> Pending:
        """The answer, at the end of the turn."""
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._answer_all)
        pending = Pending()
        self._asked.append((asked, pending))
        return pending

    def _answer_all(self) -> None:
        batch, self._asked = self._asked, []
        for part in _parts(batch):
            self._answer(part)

    def _answer(self, batch: Sequence[tuple[Asked, Pending]]) -> None:
        outputs = self._outputs([asked for asked, _ in batch])
        answers = [self._predictor.finish(asked, found) for (asked, _), found in zip(batch, outputs, strict=True)]
        self._predictor.flush()
        for (_, pending), answer in zip(batch, answers, strict=True):
            _settle(pending, answer)

    def _outputs(self, batch: Sequence[Asked]) -> list[list[float]] | list[None]:
        """The predictions of each request; none if they cannot be made together, so that each gets its own error."""
        try:
            found = self._predictor.raw(_together(batch))
        except Exception:
            return [None] * len(batch)
        outputs, start = [], 0
        for asked in batch:
            outputs.append(found[start : start + len(asked.rows)])
            start += len(asked.rows)
        return outputs


def _parts(batch: list[tuple[Asked, Pending]]) -> Iterator[list[tuple[Asked, Pending]]]:
    """The batch in parts of at most `MOST_ROWS` rows; a request is never divided."""
    part: list[tuple[Asked, Pending]] = []
    rows = 0
    for asked, pending in batch:
        if part and rows + len(asked.rows) > MOST_ROWS:
            yield part
            part, rows = [], 0
        part.append((asked, pending))
        rows += len(asked.rows)
    yield part


def _together(batch: Sequence[Asked]) -> Sequence[Row]:
    return batch[0].rows if len(batch) == 1 else [row for asked in batch for row in asked.rows]


def _settle(pending: Pending, answer: Answer) -> None:
    if isinstance(answer, Response):
        pending.resolve(answer)
    else:
        answer.then(lambda: pending.resolve_as(answer))
