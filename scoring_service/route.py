"""What answers a path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from scoring_service.messages import Answer, Request, Response
from scoring_service.metrics import Histogram

if TYPE_CHECKING:
    from scoring_service.heads import Repeated

Handler: TypeAlias = Callable[[Request, str], Answer]
Together: TypeAlias = "Callable[[Sequence[Repeated], float, bytes], tuple[list[bytes], int]]"
GET: Final = b"GET, HEAD"


class Route(msgspec.Struct, frozen=True):
    """What answers a path. `allow` lists its methods as the `Allow` header does.

    A route with `latency` predicts: it wants a key, and is measured. At most one has `together`, which answers many
    requests at once: from when they started and the line with the date to whole answers, and how many of these are
    good; or it raises, and then each is for its `handler`.
    """

    allow: bytes
    handler: Handler
    latency: Histogram | None = None
    together: Together | None = None
    methods: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "methods", frozenset(self.allow.split(b", ")))


class Admitted(msgspec.Struct, frozen=True):
    """What answers a request, and the id of its key."""

    route: Route
    key_id: str


def fixed(content: object) -> Handler:
    """A handler that always answers this, as JSON."""
    response = Response(200, msgspec.json.encode(content))
    return lambda _request, _key_id: response


def fixed_text(content: bytes, content_type: bytes = b"text/plain", headers: bytes = b"") -> Handler:
    """A handler that always answers these bytes."""
    response = Response(200, content, content_type, headers)
    return lambda _request, _key_id: response
