"""Refusals, as problem details of RFC 9457."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from scoring_service.messages import PHRASES, Response

CONTENT_TYPE = b"application/problem+json"
LISTED = 20


def some_of(names: Sequence[str]) -> str:
    """Names for a message, which whoever sent them cannot make longer than twenty of them."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{list(names[:LISTED])}{more}"


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with one row, or one field of it; rows count from 0."""

    message: str
    row: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        where = [] if self.row is None else [f"row {self.row}"]
        if self.field is not None:
            where.append(f"field {self.field!r}")
        return ", ".join(where) + (": " if where else "") + self.message


class _Details(msgspec.Struct, frozen=True, omit_defaults=True):
    title: str
    status: int
    detail: str
    type: str | None = None
    error: str | None = None
    errors: Sequence[FieldError] = ()


class ProblemError(Exception):
    """A request that is refused with a status, a reason and, for rows, what is wrong where.

    `kind` is what it counts as in the metrics; by default the name of the status.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: bytes = b"",
        kind: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind or PHRASES[status].lower().replace(" ", "_")
        self.detail = detail
        self.errors = errors
        self.headers = headers

    @classmethod
    def of_rows(cls, errors: Sequence[FieldError]) -> ProblemError:
        """The refusal of rows: the detail names the first error, the list the first twenty."""
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return cls(422, f"{errors[0]}{more}", errors[:LISTED])

    def response(self, v2: bool = False) -> Response:
        """The answer to write; `v2` adds the `error` that clients of the Open Inference Protocol show."""
        error = self.detail if v2 else None
        details = _Details(PHRASES[self.status], self.status, self.detail, "about:blank", error, self.errors)
        return Response(self.status, msgspec.json.encode(details), CONTENT_TYPE, self.headers)
