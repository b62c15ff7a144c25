"""Routes whose handlers are plain functions: a request comes in as a `Call`, an error goes out as Azure's JSON."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")


class CloudError(Exception):
    """What Azure answers instead of doing it."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    def document(self) -> dict[str, str]:
        """Code and message, as they stand in an answer or in a failed operation."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True)
class Call:
    """One request. `parameters` are the parts of the path that its route names."""

    method: str
    path: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The decoded JSON; `{}` if there is none."""
        try:
            found: dict[str, Any] = json.loads(self.content) if self.content else {}
        except ValueError:
            raise CloudError(400, "InvalidRequestContent", "The request content was invalid JSON.") from None
        return found


Handler = Callable[[Call], Response]


def route(path: str, handler: Handler, methods: Sequence[str] = ("GET",)) -> Route:
    """A route for a handler that runs in a thread; paths match whatever their case, as in Azure."""

    async def endpoint(request: Request) -> Response:
        content = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        call = Call(
            request.method, request.url.path, request.path_params, request.query_params, request.headers, content
        )
        try:
            return await run_in_threadpool(handler, call)
        except CloudError as error:
            return failure(error)

    made = Route(path, endpoint, methods=list(methods))
    made.path_regex = re.compile(made.path_regex.pattern, re.IGNORECASE)
    return made


def failure(error: CloudError) -> Response:
    return JSONResponse({"error": error.document()}, error.status, error.headers)


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(content, status, dict(headers or {}))


def now() -> str:
    """The present time as Azure writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
