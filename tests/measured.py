"""What coverage looks at: all but what is not ours and takes long, which it would make take twice as long."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

import pytest
import requests
import urllib3

if TYPE_CHECKING:
    from _typeshed import TraceFunction
    from coverage import Coverage

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

SENDERS = "senders"
OTHERS = ("AnyIO", "emulator", SENDERS)
"""How the names of those threads begin; AnyIO's run what a web server does not await."""


_is_paused = threading.Event()
_paused: list[TraceFunction | None] = []


@contextmanager
def paused() -> Iterator[None]:
    """Keep coverage, if there is any, from this thread meanwhile, and from those that start."""
    _paused.append(sys.gettrace())
    try:
        with _tracing(None):
            yield
    finally:
        _paused.pop()


@contextmanager
def resumed() -> Iterator[None]:
    """Have coverage look for a while in the middle of a pause."""
    with _tracing(_paused[-1]):
        yield


@contextmanager
def _tracing(function: TraceFunction | None) -> Iterator[None]:
    before, was_paused = sys.gettrace(), _is_paused.is_set()
    _set_paused(function is None)
    sys.settrace(function)
    try:
        yield
    finally:
        sys.settrace(before)
        _set_paused(was_paused)


def _set_paused(is_paused: bool) -> None:
    if is_paused:
        _is_paused.set()
    else:
        _is_paused.clear()


def load(*modules: str) -> None:
    """Import what is not ours before it is needed; what it warns of is not ours either."""
    with paused(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules:
            importlib.import_module(name)


def import_ours(coverage: Coverage) -> None:
    """Import every module that coverage looks at; programs run when they are, so they are left out."""
    sources = coverage.get_option("run:source")
    assert isinstance(sources, list)
    for package in map(importlib.import_module, sources):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


@contextmanager
def but_requests() -> Iterator[None]:
    """Send requests to Azure and Kubernetes by other threads; nothing of ours is called there.

    Coverage would make them take half again as long, and cannot be paused within a function of ours: it would lose
    count of the frames.
    """
    with ThreadPoolExecutor(32, SENDERS) as senders, pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "request", _elsewhere(senders, requests.Session.request))
        patch.setattr(urllib3.HTTPConnectionPool, "urlopen", _elsewhere(senders, urllib3.HTTPConnectionPool.urlopen))
        yield


def _elsewhere(senders: ThreadPoolExecutor, function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    @functools.wraps(function)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        if threading.current_thread().name.startswith(OTHERS):
            return function(*args, **kwargs)
        context = copy_context()
        return senders.submit(lambda: context.run(function, *args, **kwargs)).result()

    return run


@contextmanager
def but_what_is_not_ours() -> Iterator[None]:
    """Keep coverage, if there is any, from threads that start meanwhile: the emulator's, and all while it pauses."""
    measure = threading.gettrace()
    if measure is None:
        yield
        return

    def choose(
        frame: FrameType, event: Literal["call", "line", "return", "exception", "opcode"], argument: object
    ) -> TraceFunction | None:
        if _is_paused.is_set() or threading.current_thread().name.startswith(OTHERS):
            sys.settrace(None)
            return None
        return measure(frame, event, argument)

    threading.settrace(choose)
    try:
        yield
    finally:
        threading.settrace(measure)
