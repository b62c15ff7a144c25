"""The flow run that the tasks work for: its id, its logger, its tags and its recipe's locks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.exceptions import MissingContextError, ObjectNotFound
from prefect.logging.loggers import LoggingAdapter
from prefect.runtime import flow_run

from platforms.errors import ConflictError
from platforms.platform import Platform
from platforms.selection import current
from tasks import claim

DATASET: Final = "dataset"
MODEL: Final = "model"
LOCK_WAIT: Final = 600.0
"""Seconds that a run waits for the recipe's lock before it fails."""


def run_id() -> str:
    """The id of the flow run that calls, or `local` outside of one."""
    return flow_run.get_id() or "local"


def run_logger() -> logging.Logger | LoggingAdapter:
    """The logger whose lines the UI shows beside the run; outside of a run, an ordinary one."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("ridgeline")


def tag_run(name: str, value: int | str) -> None:
    """Tag this flow run `<name>:<value>` and add it to its name, so that people and `cli.chain` see what it made."""
    if not (me := flow_run.get_id()):
        return
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(me))
        tags = sorted({*run.tags, f"{name}:{value}"})
        client.update_flow_run(run.id, tags=tags, name=f"{run.name} {name} {value}")


def tagged(tags: Iterable[str], name: str) -> str | None:
    """The value that `tag_run` gave, or None."""
    return next((tag.partition(":")[2] for tag in tags if tag.startswith(f"{name}:")), None)


@contextmanager
def locked(recipe: str, purpose: str, wait: float = LOCK_WAIT) -> Iterator[None]:
    """Hold the lock `<recipe>/<purpose>` as this flow run; a holder whose run has ended loses it.

    Raises `ConflictError` when another live run holds it for longer than `wait` seconds, or another installation has
    claimed the platform.
    """
    claim.require()
    platform, name, me = current(), f"{recipe}/{purpose}", run_id()
    _acquire(platform, name, me, wait)
    try:
        yield
    finally:
        platform.lock.swap(name, me, None)


def _acquire(platform: Platform, name: str, me: str, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        owner = platform.lock.owner(name)
        free = owner is None or owner == me or _has_ended(owner)
        if free and platform.lock.swap(name, owner, me):
            return
        if time.monotonic() > deadline:
            raise ConflictError(f"lock {name} is held by flow run {owner}: cancel that run or wait for its end")
        time.sleep(0.5)


def _has_ended(owner: str) -> bool:
    """Whether the owning flow run can no longer do anything. Unknown runs are gone with their server."""
    try:
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(UUID(owner))
    except ValueError:
        return False
    except ObjectNotFound:
        return True
    return run.state is not None and run.state.is_final()
