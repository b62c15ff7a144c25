"""What a flow run logs, kept at `logs/<recipe>/<run>/` in the platform's storage, also if the run is killed.

While a run works its files are in a folder of its own on this machine, which it locks. The next run stores what it
finds unlocked there.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from prefect.exceptions import CancelledRun

from platforms.errors import PlatformError
from platforms.selection import current
from platforms.settings import Settings
from tasks import scratch
from tasks.run import run_id, run_logger

LOGGERS: Final = ("prefect.flow_runs", "prefect.task_runs")
FORMAT: Final = "%(asctime)s %(levelname)s %(task_run_name)s: %(message)s"
FLOW_LOG: Final = "flow.log"


class _ExpectedEnd(logging.Filter):
    """Drops the engine's traceback for a run that returned a cancelled state: a rejected model is no error."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], CancelledRun))


_EXPECTED_END: Final = _ExpectedEnd()


@contextmanager
def archived(recipe: str) -> Iterator[None]:
    """Keep everything that this flow run logs, and what runs that were killed have left."""
    logging.getLogger(LOGGERS[0]).addFilter(_EXPECTED_END)
    _archive_left_behind()
    folder = file_of(recipe, FLOW_LOG).parent
    lock = scratch.hold(folder)
    handler = logging.FileHandler(folder / FLOW_LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT, defaults={"task_run_name": "flow"}))
    try:
        with _attached(handler):
            yield
    finally:
        _archive(folder, lock)


def file_of(recipe: str, name: str) -> Path:
    """Where this flow run writes a log; it is stored when the run ends, or later if it is killed."""
    folder = _root() / recipe / run_id()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _root() -> Path:
    return Settings().state_dir / "logs" / "runs"


def _archive_left_behind() -> None:
    for folder in _root().glob("*/*"):
        with suppress(OSError):
            if scratch.is_abandoned(folder) and (lock := scratch.hold(folder)) is not None:
                _archive(folder, lock)


def _archive(folder: Path, lock: int | None) -> None:
    """Store the logs of a run and let go of them.

    Those that cannot be stored stay for a later run: how this one ended is to be told.
    """
    try:
        storage = current().storage
        for file in folder.iterdir():
            storage.upload(file, f"logs/{folder.parent.name}/{folder.name}/{file.name}")
    except (PlatformError, OSError) as error:
        run_logger().error("the log of this run is not archived, but still in %s: %s", folder, error)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        if lock is not None:
            os.close(lock)


@contextmanager
def _attached(handler: logging.Handler) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
