"""What answers a path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from scoring_service.messages import Answer, Request, Response
from scoring_service.metrics import Histogram

Handler: TypeAlias = Callable[[Request, str], Answer]
GET: Final = b"GET, HEAD"


class Route(msgspec.Struct, frozen=True):
    """What answers a path. `allow` lists its methods as the `Allow` header does.

    A route with `latency` predicts: it wants a key, and is measured.
    """

    allow: bytes
    handler: Handler
    latency: Histogram | None = None
    methods: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "methods", frozenset(self.allow.split(b", ")))


def fixed(content: object) -> Handler:
    """A handler that always answers this, as JSON."""
    response = Response(200, msgspec.json.encode(content))
    return lambda _request, _key_id: response


def fixed_text(content: bytes, content_type: bytes = b"text/plain", headers: bytes = b"") -> Handler:
    """A handler that always answers these bytes."""
    response = Response(200, content, content_type, headers)
    return lambda _request, _key_id: response
