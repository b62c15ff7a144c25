"""What goes wrong on purpose: chosen requests are throttled, fail, lose their connection, or take long."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.emulator.azurite import ACCOUNT

Kind = Literal["throttle", "error", "drop", "drop-answer", "slow"]
PASSING: Final[tuple[Kind, ...]] = ("throttle", "error", "drop", "drop-answer")
"""What is over when it is tried again."""


@dataclass
class Fault:
    """One fault. `path` and `methods` choose requests, the first `times` of which it hits; seconds are for `slow`.

    `drop` closes the connection before the request is seen, `drop-answer` after it was carried out. Storage throttles
    by 503, everything else by 429.
    """

    kind: Kind
    path: str = ".*"
    methods: str = ".*"
    times: int = 1
    status: int = 503
    seconds: float = 0.0
    retry_after: int = 0
    skip: int = 0
    hits: int = 0


@dataclass
class Faults:
    """The faults that are switched on now, and how long a long-running operation takes, in seconds."""

    operation_seconds: float = 0.0
    _active: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def on(self, *faults: Fault) -> Iterator[None]:
        """Have these faults for the time of the context."""
        with self._lock:
            self._active += faults
        try:
            yield
        finally:
            with self._lock:
                self._active = [fault for fault in self._active if fault not in faults]

    @contextmanager
    def slow_operations(self, seconds: float) -> Iterator[None]:
        """Let long-running operations take so long for the time of the context."""
        self.operation_seconds = seconds
        try:
            yield
        finally:
            self.operation_seconds = 0.0

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, counted."""
        with self._lock:
            for fault in self._active:
                if not re.fullmatch(fault.methods, method) or not re.search(fault.path, path, re.IGNORECASE):
                    continue
                fault.skip -= 1
                if fault.skip < 0 and fault.hits < fault.times:
                    fault.hits += 1
                    return fault
        return None


class FaultMiddleware:
    """Wraps the whole app."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app, self._faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._faults.take(scope["method"], scope["path"]) if scope["type"] == "http" else None
        match fault:
            case None:
                await self._app(scope, receive, send)
            case Fault(kind="throttle", retry_after=seconds):
                busy = (503, "ServerBusy") if scope["path"].startswith(f"/{ACCOUNT}/") else (429, "TooManyRequests")
                await _refusal(*busy, {"Retry-After": str(seconds)})(scope, receive, send)
            case Fault(kind="error", status=status):
                await _refusal(status, "InternalServerError", {})(scope, receive, send)
            case Fault(kind="drop"):
                _hang_up(receive)
            case Fault(kind="drop-answer"):
                await self._app(scope, receive, _swallow)
                _hang_up(receive)
            case Fault(kind="slow", seconds=seconds):
                await asyncio.sleep(seconds)
                await self._app(scope, receive, send)


def _refusal(status: int, code: str, headers: dict[str, str]) -> JSONResponse:
    content = {"error": {"code": code, "message": "The emulator was asked to answer so."}}
    return JSONResponse(content, status, {"x-ms-error-code": code, **headers})


async def _swallow(message: Message) -> None:
    pass


def _hang_up(receive: Receive) -> None:
    """Close the connection without an answer; the protocol behind `receive` is uvicorn's."""
    receive.__self__.transport.abort()  # type: ignore[attr-defined]  # uvicorn has no type for it
